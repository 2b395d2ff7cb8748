# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""`flamingo export`: what comes in goes out, to the bit."""

import json
import shutil

import jax
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from flamingo_jax import cli
from flamingo_jax.convert import conversion
from flamingo_jax.convert import exporting
from flamingo_jax.convert import whole
from flamingo_jax.convert.hub_folder import Tensors
from flamingo_jax.convert.torch_file import TorchTensors
from flamingo_jax.errors import UserError
from flamingo_jax.run_dir.model_json import stored_config
from flamingo_jax.run_dir.weights import load_params
from flamingo_jax.shipped import shipped_weights
from tests import command_examples
from tests.convert import idefics_folders
from tests.convert import mllama_folders
from tests.convert import open_flamingos
from tests.convert import torch_files
from tests.convert.conversion_test import TOKENIZER
from tests.convert.idefics_folders import converted  # pylint: disable=unused-import
from tests.convert.language_models_test import write_model
from tests.convert.open_flamingos import towers  # pylint: disable=unused-import
from tests.convert.timm_test import write_timm
from tests.convert.vision_encoders_test import write_encoder

BF16 = ml_dtypes.bfloat16


def assert_same(found, source, without=()):
  """Names, dtypes, shapes and bits, but for names that begin so."""
  kept = {name for name in source if not name.startswith(tuple(without))}
  assert set(found) == kept
  for name in kept:
    assert found.dtype(name) == source.dtype(name), name
    x, y = found.read(name), source.read(name)
    assert x.shape == y.shape and x.tobytes() == y.tobytes(), name


def cast(folder, dtype):
  path = folder / 'model.safetensors'
  save_file({k: x.astype(dtype) for k, x in load_file(path).items()}, path)


def back_and_forth(folder, form='safetensors'):
  """What comes of a folder of the hub."""
  model, out = folder.parent / 'model', folder.parent / 'out'
  conversion.convert(folder, model)
  exporting.export(model, out, form)
  for file in (*folder.glob('*.json'), *folder.glob('*.jinja')):
    assert (out / file.name).read_bytes() == file.read_bytes()
  return Tensors(out)


@pytest.mark.parametrize('name, dtype', [
    ('llama', np.float16), ('phi3', BF16), ('gemma2', np.float32),
    ('gemma2', BF16), ('mpt_1b', BF16), ('pythia', np.float32),
    ('opt', np.float32),
])
def test_language_models_are_the_folder_they_were(tmp_path, name, dtype):
  folder = tmp_path / 'hub'
  folder.mkdir()
  write_model(folder, name)
  cast(folder, dtype)
  (folder / 'tokenizer.json').write_text(json.dumps(TOKENIZER))
  (folder / 'tokenizer_config.json').write_text('{"eos_token": "</s>"}')
  assert_same(back_and_forth(folder), Tensors(folder))
  for file in ('config', 'tokenizer', 'tokenizer_config'):
    assert json.loads((tmp_path / 'out' / f'{file}.json').read_text()) == (
        json.loads((folder / f'{file}.json').read_text())
    )


@pytest.mark.parametrize('write, name, without', [
    (write_encoder, 'siglip', ('text_model', 'logit', 'vision_model.head')),
    (write_encoder, 'dinov2_registers', ('embeddings.mask_token',)),
    (write_encoder, 'open_clip', (
        'text', 'transformer', 'token_', 'positional', 'ln_final', 'logit',
        'visual.proj',
    )),
    (write_timm, 'nfnet', ('head',)),
    (write_timm, 'vit_registers', ('head',)),
])
def test_vision_encoders_are_the_folder_they_were(
    tmp_path, write, name, without
):
  folder = tmp_path / 'hub'
  folder.mkdir()
  write(folder, name)
  assert_same(back_and_forth(folder), Tensors(folder), without)


def test_what_the_parameters_no_longer_tell_is_refused(tmp_path):
  folder = tmp_path / 'hub'
  folder.mkdir()
  write_timm(folder, 'vit_registers')
  back_and_forth(folder)
  kept = tmp_path / 'model' / 'source' / 'kept.safetensors'
  save_file({k: x + 1 for k, x in load_file(kept).items()}, kept)
  with pytest.raises(UserError, match='registers are not parameters that pos_'):
    exporting.export(tmp_path / 'model', tmp_path / 'again', 'safetensors')
  assert not (tmp_path / 'again').exists()


@pytest.mark.parametrize('name, dtype', [
    ('base', np.float32), ('instruct', BF16), ('plain', np.float16),
])
def test_idefics_are_the_folder_they_were(tmp_path, name, dtype):
  folder = idefics_folders.write_folder(tmp_path / 'hub', name)
  cast(folder, dtype)
  unread = ('model.vision_model.post_layernorm',)
  assert_same(back_and_forth(folder, 'idefics'), Tensors(folder), unread)
  report = (tmp_path / 'out' / 'report.txt').read_text()
  for tensor in Tensors(folder):
    assert f'  {tensor} ' in report
  # Without what is kept of it, as of a run that went on from it.
  shutil.rmtree(tmp_path / 'model' / 'source')
  assert not cli.main(command_examples.arguments('export', 0, {
      'runs/idefics': tmp_path / 'model', '--out=idefics':
      f'--out={tmp_path}/anew'
  }))
  anew = Tensors(tmp_path / 'anew')
  assert_values(anew, Tensors(folder), unread)
  conversion.convert(tmp_path / 'anew', tmp_path / 'converted')
  assert_params(tmp_path / 'converted', tmp_path / 'model')
  config = stored_config(tmp_path / 'converted')
  assert config.decoder == stored_config(tmp_path / 'model').decoder


@pytest.mark.parametrize('name', mllama_folders.MODELS)
def test_llama_visions_are_the_folder_they_were(name, tmp_path):
  folder = mllama_folders.write_folder(tmp_path / 'hub', name)
  assert_same(back_and_forth(folder), Tensors(folder))


def assert_values(found, source, without):
  kept = {name for name in source if not name.startswith(without)}
  assert set(found) == kept
  for name in kept:
    x, y = found.read(name), source.read(name)
    np.testing.assert_array_equal(x.astype(np.float32), y.astype(np.float32))


def assert_params(found, expected):
  jax.tree.map(
      np.testing.assert_array_equal, load_params(found)[0],
      load_params(expected)[0],
  )


@pytest.mark.parametrize('name, dtype', [
    ('mpt', BF16), ('neox', np.float32), ('llama', np.float16),
    ('opt', np.float32),
])
def test_open_flamingos_are_the_checkpoints_they_were(
    tmp_path, towers, name, dtype
):
  source, out = tmp_path / 'checkpoint.pt', tmp_path / 'out'
  torch_files.save(source, {
      k: x.astype(dtype) for k, x in open_flamingos.checkpoint(name).items()
  })
  size = open_flamingos.TOLD['head_size']
  whole.convert(source, *towers(name), tmp_path / 'model', size)
  exporting.export(tmp_path / 'model', out, 'openflamingo')
  found = TorchTensors([out / 'checkpoint.pt'])
  positions = ('lang_encoder.model.decoder.embed_positions',)  # the tower's
  assert_same(found, TorchTensors([source]), positions)
  # Whose language model is told by its layers alone.
  shutil.rmtree(tmp_path / 'model' / 'source')
  exporting.export(tmp_path / 'model', tmp_path / 'anew', 'openflamingo')
  whole.convert(tmp_path / 'anew', *towers(name), tmp_path / 'again', size)
  assert_params(tmp_path / 'again', tmp_path / 'model')


def test_any_model_comes_back(tmp_path):
  """The shipped one: of ours, with SentencePiece and frozen towers."""
  report = exporting.export(shipped_weights(), tmp_path / 'out', 'safetensors')
  assert 'step 2400 of' in report
  conversion.convert(tmp_path / 'out', tmp_path / 'model')
  assert_params(tmp_path / 'model', shipped_weights())
  for file in ('model.json', 'vocabulary.model'):
    assert (tmp_path / 'model' / file).read_bytes() == (
        (tmp_path / 'out' / file).read_bytes()
    )
  tensors = load_file(tmp_path / 'out' / 'model.safetensors')
  name = 'resampler/latents'
  for change, words in (
      ({name: None}, f'{name} is missing'),
      ({name: np.zeros(3, np.float32)}, f'{name} has shape'),
      ({'resampler/more': np.zeros(3, np.float32)}, 'more is not in the model'),
  ):
    changed = {k: x for k, x in (tensors | change).items() if x is not None}
    save_file(changed, tmp_path / 'out' / 'model.safetensors')
    with pytest.raises(UserError, match=words):
      conversion.convert(tmp_path / 'out', tmp_path / 'again')
    assert not (tmp_path / 'again').exists()


@pytest.mark.parametrize('form', ['idefics', 'openflamingo'])
def test_what_a_format_cannot_hold_is_told(tmp_path, form, capsys):
  command = ['export', shipped_weights(), f'--format={form}',
             f'--out={tmp_path}/out']
  assert cli.main(command) == 2
  said = capsys.readouterr().err
  assert 'cannot be exported as' in said and 'documents are not' in said
  assert '--format=safetensors takes any model' in said
  assert not any(tmp_path.iterdir())


@pytest.mark.parametrize('change, words', [
    ({'first': 1}, 'decoder.first is 1, and 0 is all'),
    ({'layer': {'positions': 'alibi'}}, "positions is 'alibi', and 'rotary'"),
    ({'layer': {'qkv_bias': True}}, 'qkv_bias is True, and False'),
    ({'block': {'maps_media': True}}, 'block.maps_media is True, and False'),
    ({'xattn_every': 3}, 'interval is 3, which does not divide the 4 layers'),
    ({'vision': 'F0'}, 'is an NFNet, and that of the format a ViT'),
    ({'vision': {'registers': 4}}, 'vision.registers is 4, and 0'),
    ({'vision': {'squaring': {'way': 'cropped', 'shorter': 12}}}, 'squaring.shorter is 12,'),
])
def test_no_idefics_is_told_by_what_it_has(
    converted, tmp_path, change, words
):
  shutil.copytree(converted('base'), tmp_path / 'model',
                  ignore=shutil.ignore_patterns('source'))
  file = tmp_path / 'model' / 'model.json'
  told = json.loads(file.read_text())
  change = change if 'vision' in change else {'decoder': change}
  merge(told['architecture'], change)
  file.write_text(json.dumps(told))
  with pytest.raises(UserError, match=words):
    exporting.export(tmp_path / 'model', tmp_path / 'out', 'idefics')
  assert not (tmp_path / 'out').exists()


def merge(values, change):
  for name, value in change.items():
    if isinstance(value, dict):
      merge(values[name], value)
    else:
      values[name] = value
