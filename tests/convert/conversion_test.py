# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""`flamingo convert`: from a folder of the hub to a tower that is used."""

import json
import re
import resource

import jax
import ml_dtypes
import numpy as np
import optax
import pytest
from safetensors.numpy import load_file, save_file

import flamingo_jax as fj
from flamingo_jax import cli
from flamingo_jax import models
from flamingo_jax.convert import tower
from flamingo_jax.convert.hub_folder import Tensors
from flamingo_jax.data.owner import owned
from flamingo_jax.models import FlamingoConfig, LanguageModel
from flamingo_jax.models.decoder_config import DecoderConfig
from flamingo_jax.models.resampler import ResamplerConfig
from flamingo_jax.run_dir.pretrained import TrainStateInitializer
from flamingo_jax.run_dir.weights import load_params
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.trained_model import FlamingoModel
from tests import command_examples
from tests.convert.language_models_test import LOGITS, TOKENS, write_model

WORDS = ['<pad>', '<s>', '</s>', '<unk>'] + [f'w{i}' for i in range(4, 55)]
TOKENIZER = {
    'version': '1.0',
    'added_tokens': [
        {'id': i, 'content': WORDS[i], 'special': True, 'single_word': False,
         'lstrip': False, 'rstrip': False, 'normalized': False}
        for i in range(3)
    ],
    'pre_tokenizer': {'type': 'Whitespace'},
    'model': {
        'type': 'WordLevel', 'unk_token': '<unk>',
        'vocab': {word: i for i, word in enumerate(WORDS)},
    },
}


@pytest.fixture
def model(tmp_path):
  """A folder as the hub has it, whose table has more rows than it has words."""
  folder = tmp_path / 'hub'
  folder.mkdir()
  write_model(folder, 'llama_3_2')
  (folder / 'tokenizer.json').write_text(json.dumps(TOKENIZER))
  (folder / 'tokenizer_config.json').write_text(
      json.dumps({'bos_token': '<s>', 'eos_token': {'content': '</s>'}})
  )
  return folder


def cast(folder, dtype):
  path = folder / 'model.safetensors'
  tensors = {name: x.astype(dtype) for name, x in load_file(path).items()}
  save_file(tensors, path)
  return tensors


def convert(folder, out):
  return cli.main(command_examples.arguments('convert', 0, {
      'HuggingFaceTB/SmolLM2-135M': folder, 'towers/smollm2': out
  }))


def test_a_tower_answers_and_is_built_on(model, tmp_path, capsys):
  out = tmp_path / 'tower'
  assert convert(model, out) == 0
  said = capsys.readouterr().out
  assert 'llama: ' in said and 'attn' in said and 'fingerprint' in said
  loaded = fj.load(out)
  assert loaded.vocabulary.base_size == 60 == loaded.vocabulary.eoc_id

  text = ' '.join(WORDS[i] for i in [7, 20, 9])
  logits = jax.jit(LanguageModel(loaded.config).apply)(
      {'params': loaded.params}, np.array([[7, 20, 9]])
  )
  assert loaded.score([text], ['w30'], separator=' ').shape == (1,)
  (answer,) = loaded.generate([[text]], max_new_tokens=1)
  assert answer in ('', WORDS[min(54, int(logits[0, -1].argmax()))])

  with pytest.raises(fj.UserError, match='a language model alone, which sees'):
    FlamingoModel(loaded.config, loaded.vocabulary, None)
  with pytest.raises(fj.UserError, match='alone takes texts'):
    loaded.generate([fj.image(np.zeros((4, 4, 3), np.uint8)), text])
  config = FlamingoConfig(
      vision=models.ViTConfig(patch=16, layers=1, width=8, heads=1),
      image_size=32, dtype='float32', frozen_dtype='float32',
      resampler=ResamplerConfig(
          layers=1, width=8, heads=2, head_size=4, latents=2
      ),
      decoder=DecoderConfig(**{
          **vars(loaded.config.decoder), 'xattn_every': 2, 'first': 1,
      }),
  )
  flamingo = FlamingoModel(config, loaded.vocabulary, optax.sgd(0.1))
  _, frozen = TrainStateInitializer(
      flamingo, Partitioner(devices=jax.devices()[:1]),
      language_model=str(out),
  ).from_scratch(jax.random.key(0))
  config = models.LanguageModelConfig(config.decoder, 'float32')
  found = jax.jit(LanguageModel(config).apply)(
      {'params': {'decoder': frozen['decoder']}}, TOKENS
  )
  np.testing.assert_allclose(found, LOGITS['llama_3_2'], atol=5e-5)


@pytest.mark.parametrize('dtype, stored', [
    (np.float16, np.float32), (ml_dtypes.bfloat16, ml_dtypes.bfloat16),
])
def test_weights_keep_their_values(model, tmp_path, dtype, stored):
  tensors = cast(model, dtype)
  assert convert(model, tmp_path / 'tower') == 0
  decoder = fj.load(tmp_path / 'tower').params['decoder']
  table = np.asarray(decoder['token_embedder'])
  assert table.dtype == stored
  np.testing.assert_array_equal(
      table.astype(np.float32),
      tensors['model.embed_tokens.weight'].astype(np.float32),
  )
  up = np.asarray(decoder['groups']['lm']['ffw']['up']['kernel'])
  for layer in range(3):
    source = tensors[f'model.layers.{layer}.mlp.up_proj.weight']
    np.testing.assert_array_equal(up[layer, 0], source.T.astype(stored))


def test_what_is_never_whole_in_memory_is_the_same(
    model, tmp_path, monkeypatch, capsys
):
  """Large matrices go to the disk as they come; small ones in one piece."""
  cast(model, np.float16)
  assert convert(model, tmp_path / 'small') == 0
  small = capsys.readouterr().out.splitlines()[:-1]
  monkeypatch.setattr(tower, '_SMALLEST_CHUNK', 1)
  assert convert(model, tmp_path / 'large') == 0
  assert capsys.readouterr().out.splitlines()[:-1] == small
  jax.tree.map(
      np.testing.assert_array_equal, *(
          load_params(tmp_path / name)[0] for name in ('small', 'large')
      ),
  )


def test_a_file_that_is_cut_while_it_is_read_is_told(model):
  tensors = Tensors(model)
  cut(model)
  name = 'model.norm.weight'  # the last of the file
  for read in (tensors.read, lambda name: list(tensors.blocks(name, 3))):
    with pytest.raises(fj.UserError, match='safetensors ends within a tensor'):
      read(name)


@pytest.mark.parametrize('damage', [
    lambda path: path.unlink(), lambda path: path.write_bytes(b'0' * 99),
])
def test_a_damaged_tower_is_told(model, tmp_path, damage, capsys):
  assert convert(model, tmp_path / 'tower') == 0
  state = tmp_path / 'tower' / 'checkpoint_0' / 'state'
  file = state / 'params.decoder.token_embedder' / '0.0'
  damage(file)
  with pytest.raises(fj.UserError, match=f'{file} is damaged'):
    fj.load(tmp_path / 'tower')


def shard(folder):
  """The same model in two files and an index."""
  whole = folder / 'model.safetensors'
  tensors = load_file(whole)
  names, places = sorted(tensors), {}
  for number in range(2):
    file = f'model-{number + 1}-of-2.safetensors'
    part = names[number::2]
    save_file({name: tensors[name] for name in part}, folder / file)
    places |= dict.fromkeys(part, file)
  whole.unlink()
  (folder / 'model.safetensors.index.json').write_text(
      json.dumps({'metadata': {}, 'weight_map': places})
  )


def test_shards_are_one_model(model, tmp_path, capsys):
  assert convert(model, tmp_path / 'whole') == 0
  whole = capsys.readouterr().out.splitlines()[:-1]
  shard(model)
  assert convert(model, tmp_path / 'parts') == 0
  assert capsys.readouterr().out.splitlines()[:-1] == whole


def without_a_shard(folder):
  shard(folder)
  (folder / 'model-2-of-2.safetensors').unlink()


def cut(folder):
  path = folder / 'model.safetensors'
  path.write_bytes(path.read_bytes()[:-100])


def with_integers(folder):
  path = folder / 'model.safetensors'
  tensors = load_file(path)
  name = 'model.embed_tokens.weight'
  save_file(tensors | {name: tensors[name].astype(np.int8)}, path)


def with_an_index_elsewhere(folder):
  shard(folder)
  path = folder / 'model.safetensors.index.json'
  path.write_text(path.read_text().replace('model-2', '../model-2'))


def with_a_tensor_twice(folder):
  path = folder / 'model.safetensors'
  for name in ('a', 'b'):
    (folder / f'{name}.safetensors').write_bytes(path.read_bytes())
  path.unlink()


def of_another_format(folder):
  (folder / 'model.safetensors').rename(folder / 'pytorch_model.bin')


def as_an_adapter(folder):
  (folder / 'adapter_config.json').write_text('{}')
  path = folder / 'model.safetensors'
  path.rename(folder / 'adapter_model.safetensors')


def with_more_words(folder):
  words = {f'more{i}': i for i in range(70)}
  spec = TOKENIZER | {'model': TOKENIZER['model'] | {'vocab': words}}
  (folder / 'tokenizer.json').write_text(json.dumps(spec))


@pytest.mark.parametrize('damage, words', [
    (without_a_shard, 'model-2-of-2.safetensors does not exist, but .*index'),
    (cut, r'model\.safetensors cannot be read as safetensors'),
    (with_integers, r'embed_tokens\.weight is of type I8'),
    (with_an_index_elsewhere, r"names '\.\./model-2.*not a file of its folder"),
    (with_a_tensor_twice, r'b\.safetensors and .*/a\.safetensors both have'),
    (of_another_format, r'no safetensors file \(but pytorch_model\.bin\)'),
    (as_an_adapter, 'holds an adapter, not a model; merge it'),
    (lambda f: (f / 'config.json').write_text('[]'), 'holds no JSON object'),
    (with_more_words, r'ids up to 69, and the table of the model 60 rows'),
    (lambda f: (f / 'model.safetensors').unlink(), 'holds no safetensors file'),
    (lambda f: (f / 'config.json').unlink(), r'config\.json does not exist'),
    (lambda f: (f / 'config.json').write_text('['), 'cannot be read as JSON'),
    (lambda f: (f / 'tokenizer.json').unlink(), r'tokenizer\.json does not'),
])
def test_a_damaged_folder_is_told_and_leaves_nothing(
    model, tmp_path, capsys, damage, words
):
  damage(model)
  assert convert(model, tmp_path / 'tower') == 2
  error = capsys.readouterr().err
  assert error.count('\n') == 1 and re.search(words, error), error
  assert [path.name for path in tmp_path.iterdir()] == ['hub']


def test_a_tower_is_never_replaced(model, tmp_path, capsys):
  (tmp_path / 'tower').mkdir()
  assert convert(model, tmp_path / 'tower') == 2
  assert 'already exists' in capsys.readouterr().err


def test_a_full_disk_is_told_and_leaves_nothing(model, tmp_path, capfd):
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (4_500, limits[1]))
  try:
    assert convert(model, tmp_path / 'tower') == 2
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
  error = capfd.readouterr().err
  assert error.count('\n') == 1 and 'tower cannot be written' in error, error
  assert [path.name for path in tmp_path.iterdir()] == ['hub']


def test_two_do_not_write_one_tower(model, tmp_path, capsys):
  with owned(tmp_path, '.tower.lock'):
    assert convert(model, tmp_path / 'tower') == 2
  assert 'is being written by another process' in capsys.readouterr().err
