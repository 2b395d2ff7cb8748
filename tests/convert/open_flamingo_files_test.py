# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of OpenFlamingo in all their forms, and what is refused."""

import json
import os
import pickle

import jax
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from flamingo_jax import cli
from flamingo_jax.convert import whole
from flamingo_jax.convert.torch_file import TorchTensors
from flamingo_jax.errors import UserError
from flamingo_jax.run_dir.weights import load_params
from tests import command_examples
from tests.convert import torch_files
from tests.convert.open_flamingos import (  # pylint: disable=unused-import
    checkpoint,
    converted,
    towers,
)


@pytest.mark.parametrize('form', ['sharded', 'safetensors', 'training', 'whole'])
def test_other_files_of_the_same_tensors(converted, towers, tmp_path, form):
  tensors, source = checkpoint('opt'), tmp_path / 'files'
  source.mkdir()
  if form == 'sharded':
    names = sorted(tensors)
    files = {name: f'{i % 2}.bin' for i, name in enumerate(names)}
    for file in ('0.bin', '1.bin'):
      torch_files.save(
          source / file, {k: tensors[k] for k in names if files[k] == file}
      )
    (source / 'pytorch_model.bin.index.json').write_text(
        json.dumps({'weight_map': files})
    )
  elif form == 'safetensors':
    save_file(tensors, source / 'model.safetensors')
  elif form == 'training':
    torch_files.save(
        source / 'checkpoint_3.pt',
        {f'module.{key}': x for key, x in tensors.items()},
        lambda state: {'epoch': 3, 'model_state_dict': state},
    )
  else:  # all of state_dict(): blocks twice, and both towers
    prefix = 'lang_encoder.model.decoder.layers.2'
    block = f'{prefix}.gated_cross_attn_layer.'
    aliases = {
        key.replace(block, 'lang_encoder.gated_cross_attn_layers.2.'): x
        for key, x in tensors.items() if key.startswith(block)
    }
    bias = np.zeros(16, np.float32)
    torch_files.save(source / 'checkpoint.pt', tensors | aliases | {
        'vision_encoder.ln_post.bias': bias,
        'lang_encoder.old_decoder_blocks.2.fc2.bias': bias,
        f'{prefix}.decoder_layer.fc2.bias': bias,
        'lang_encoder.model.decoder.final_layer_norm.bias': bias,
        'lang_encoder.lm_head.weight': tensors[
            'lang_encoder.model.decoder.embed_tokens.weight'
        ],
    })
  report = whole.convert(source, *towers('opt'), tmp_path / 'model', 8)
  assert '.embed_positions. (1)' in report  # which the maker keeps
  assert ('.decoder_layer. (1)' in report) == (form == 'whole')
  jax.tree.map(
      np.testing.assert_array_equal, load_params(tmp_path / 'model')[0],
      load_params(converted('opt'))[0],
  )


class Program:
  """Runs something when it is unpickled."""

  def __init__(self, folder):
    self.folder = folder

  def __reduce__(self):
    return os.system, (f'touch {self.folder}/ran',)


def test_what_a_file_would_run_is_not_run(towers, tmp_path):
  source = tmp_path / 'checkpoint.pt'
  torch_files.save(source, checkpoint('mpt'), evil=[Program(tmp_path)])
  for program in (None, pickle.dumps(Program(tmp_path))):
    if program:
      source.write_bytes(program)
    with pytest.raises(UserError, match='system, which is not run|it is not a zip file'):
      whole.convert(source, *towers('mpt'), tmp_path / 'model', 8)
  assert list(tmp_path.iterdir()) == [source]


def test_tensors_lie_in_their_storages(tmp_path):
  x = np.arange(6, dtype=np.float32).reshape(2, 3)
  y = np.array([1.5, -2], ml_dtypes.bfloat16)
  torch_files.save(tmp_path / 'a.pt', {'x': x, 'y': y}, strides={'x': (1, 2)})
  tensors = TorchTensors([tmp_path / 'a.pt'])
  np.testing.assert_array_equal(tensors.read('x'), x.reshape(3, 2).T)
  np.testing.assert_array_equal(tensors.read('y'), y)
  for strides in ((3, 2), (2**40, 1), (-1, 1)):
    torch_files.save(tmp_path / 'a.pt', {'x': x}, strides={'x': strides})
    with pytest.raises(UserError, match='larger than its storage|has no shape'):
      TorchTensors([tmp_path / 'a.pt'])


BLOCK = 'lang_encoder.transformer.blocks.1.gated_cross_attn_layer'


@pytest.mark.parametrize('change, words', [
    ({f'{BLOCK}.attn.to_q.weight': None}, r'no tensor .*blocks\.1\..*to_q'),
    ({'perceiver.layers.1.0.to_q.weight': None}, r'not known of a Flamingo'),
    ({'perceiver.latents': None}, r"no tensor 'perceiver\.latents'"),
    ({'lang_encoder.transformer.wte.weight': None}, 'is a file missing'),
    ({f'{BLOCK}.attn.extra': (2,)}, r'not known of a Flamingo, such as .*extra'),
    ({'perceiver.media_time_embs': (3, 1, 16)}, 'media_time_embs'),
    ({f'{BLOCK}.ff.1.weight': (95, 24)}, r'\[24, 95\], and the rest .* says'),
    ({f'{BLOCK}.ff_gate': (2,)}, r'ff_gate has shape \[2\], which does not fit'),
    ({'perceiver.latents': (5, 15)}, 'do not belong together|equal'),
    ({f'{BLOCK}.attn.to_kv.weight': (31, 16)}, 'to_kv.* does not fit'),
    ({'lang_encoder.transformer.wte.weight': (90, 24)}, '90 rows, where .* 55 '),
    ({'lang_encoder.transformer.wte.weight': (58, 20)}, 'belong together'),
], ids=str)
def test_what_does_not_fit_is_told(towers, tmp_path, change, words):
  tensors = checkpoint('mpt') | {
      name: shape and np.zeros(shape, np.float32)
      for name, shape in change.items()
  }
  tensors = {name: x for name, x in tensors.items() if x is not None}
  save_file(tensors, tmp_path / 'a.safetensors')
  with pytest.raises(UserError, match=words):
    whole.convert(
        tmp_path / 'a.safetensors', *towers('mpt'), tmp_path / 'model', 8
    )
  assert not (tmp_path / 'model').exists()


def test_another_language_model_is_told(towers, tmp_path):
  tensors = checkpoint('mpt')
  tensors['lang_encoder.transformer.wte.weight'][:40] += 1
  save_file(tensors, tmp_path / 'a.safetensors')
  report = whole.convert(
      tmp_path / 'a.safetensors', *towers('mpt'), tmp_path / 'model', 8
  )
  assert 'warning: 40 words of the checkpoint are not those of' in report
  table = load_params(tmp_path / 'model')[0]['decoder']['token_embedder']
  np.testing.assert_array_equal(
      table, tensors['lang_encoder.transformer.wte.weight'][:55]
  )


def test_the_command_line(towers, tmp_path, capsys):
  torch_files.save(tmp_path / 'a.pt', checkpoint('mpt'))
  language_model, vision = towers('mpt')
  command = ['convert', f'{tmp_path}/a.pt', f'--out={tmp_path}/model']
  assert cli.main([*command, f'--language_model={language_model}']) == 2
  assert 'two towers' in capsys.readouterr().err
  both = [f'--language_model={language_model}', f'--vision_encoder={vision}']
  assert cli.main([*command, *both]) == 2
  assert 'heads of 64 do not make up; give the head_size' in (
      capsys.readouterr().err
  )
  example = command_examples.arguments('convert', 1, {
      'checkpoint.pt': tmp_path / 'a.pt', 'towers/mpt': language_model,
      'towers/clip': vision, 'runs/open_flamingo': tmp_path / 'model',
  })
  assert not cli.main([*example, '--head_size=8'])
  assert '25,502 parameters beside its towers' in capsys.readouterr().out
