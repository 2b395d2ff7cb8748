# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Exported updates are those of the run, for us and for PEFT.

references/record_peft.py recorded what PEFT computes of them.
"""

import dataclasses
import json

from flax import traverse_util
import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from flamingo_jax import cli
from flamingo_jax.convert import conversion
from flamingo_jax.convert import exporting
from flamingo_jax.errors import UserError
from flamingo_jax.models import lora, variants
from flamingo_jax.models.language_model import LanguageModel
from flamingo_jax.run_dir.towers import stored_encoder
from flamingo_jax.run_dir.weights import load_params
from flamingo_jax.training.trainable import split_params
from tests import command_examples
from tests.convert import adapted_runs
from tests.convert.adapted_runs import LORA
from tests.convert.language_models_test import (
    LENGTHS,
    REFERENCES,
    TOKENS,
    read_model,
)
from tests.convert.vision_encoders_test import read_encoder, write_encoder
from tests.random_weights import save_run

LOGITS = np.load(REFERENCES / 'peft.npz')


@pytest.mark.parametrize('name', adapted_runs.CASES)
def test_logits_are_those_of_peft(name, tmp_path):
  config, params = adapted_runs.write(tmp_path, name)
  tree = {'params': {'decoder': traverse_util.unflatten_dict(params)}}
  logits = jax.jit(LanguageModel(config).apply)(tree, TOKENS)
  is_read = np.arange(TOKENS.shape[1]) < np.asarray(LENGTHS)[:, None]
  np.testing.assert_allclose(
      logits * is_read[..., None], LOGITS[name], atol=2e-4
  )
  # And of the file that PEFT has read.
  add_to_public_weights(tmp_path)
  _, dense = read_model(tmp_path / 'hub')
  assert_dense(dense, params)


def add_to_public_weights(folder):
  """What is exported, in FOLDER/hub."""
  path = folder / 'hub' / 'model.safetensors'
  weights = load_file(path)
  found = load_file(folder / 'export' / 'adapter_model.safetensors')
  for key in found:
    if '.lora_A.' in key:
      name = key.removeprefix('base_model.model.').replace('.lora_A', '')
      b = found[key.replace('lora_A', 'lora_B')]
      weights[name] = weights[name] + LORA.alpha / LORA.rank * b @ found[key]
  save_file({k: x.astype(np.float32) for k, x in weights.items()}, path)


def assert_dense(dense, params):
  """That maps are those of the parameters by path with their updates."""
  for path, x in traverse_util.flatten_dict(dense).items():
    expected = params[path]
    if (*path[:-1], lora.SCALE) in params and path[-1] == 'kernel':
      expected = expected + lora.product(*(
          params[*path[:-1], leaf] for leaf in lora.LEAVES
      )).reshape(x.shape)
    np.testing.assert_allclose(x, expected, atol=1e-5, err_msg=str(path))


def test_updates_of_a_vision_encoder_are_those_of_its_maps(tmp_path):
  (tmp_path / 'hub').mkdir()
  write_encoder(tmp_path / 'hub', 'siglip')
  conversion.convert(tmp_path / 'hub', tmp_path / 'base')
  encoder = stored_encoder(str(tmp_path / 'base'))
  config = variants.get('flamingo_small', {
      'vision': encoder.vision, 'image_size': encoder.image_size,
      'lora': dataclasses.replace(LORA, projections=('vision_encoder/*',)),
  })
  params = traverse_util.flatten_dict(
      load_params(tmp_path / 'base')[0]['vision_encoder']
  )
  updates = dict(adapted_runs.make_updates({
      path: x for path, x in params.items() if path[0] == 'layer_blocks'
  }, 1))
  tree = traverse_util.unflatten_dict({
      ('vision_encoder', *path): x for path, x in updates.items()
  })
  save_run(tmp_path / 'run', config, 1, *split_params(tree))
  export = lambda out: exporting.export(
      tmp_path / 'run', out, 'peft', base=tmp_path / 'base'
  )
  assert 'not in it' not in export(tmp_path / 'export')
  add_to_public_weights(tmp_path)
  assert_dense(read_encoder(tmp_path / 'hub')[1], params | updates)
  # PEFT's updates of convolutions are others.
  kernel = {('patches_projection', 'kernel'): params['patches_projection', 'kernel']}
  tree['vision_encoder'] |= traverse_util.unflatten_dict(
      dict(adapted_runs.make_updates(kernel, 0))
  )
  save_run(tmp_path / 'run', config, 2, *split_params(tree))
  with pytest.raises(UserError, match='not a linear map in the other format: train '
                     'without an update of vision_encoder/patches_projection'):
    export(tmp_path / 'no')


def test_what_is_exported_is_told_and_what_cannot_be_is_refused(
    tmp_path, capsys
):
  adapted_runs.write(tmp_path, 'llama')
  names = {'runs/lora': tmp_path / 'run', '--base=towers/smollm2':
           f'--base={tmp_path}/base', '--out=adapter': f'--out={tmp_path}/out'}
  assert not cli.main(command_examples.arguments('export', 1, names))
  told = capsys.readouterr().out
  assert 'low-rank updates of a llama, as PEFT reads them: 42 tensors' in told
  report = (tmp_path / 'out' / 'report.txt').read_text()
  assert ('model.layers.2.mlp.up_proj.lora_A.weight float32 [2, 16]: '
          'decoder/tail/lm/ffw/up[0]') in report
  for form, base, words in (
      ('idefics', None, 'with flamingo convert --merge_lora, or give --format='),
      ('peft', tmp_path / 'run', 'updates are of a public model: give --base'),
  ):
    with pytest.raises(UserError, match=words):
      exporting.export(tmp_path / 'run', tmp_path / 'no', form, base=base)
  record = tmp_path / 'base' / 'source' / 'tensors.json'
  tensors = json.loads(record.read_text())
  tensors['tensors']['model.layers.1.self_attn.q_proj.weight'][1] = [16, 8]
  record.write_text(json.dumps(tensors))
  with pytest.raises(UserError, match=r'q_proj.weight of --base has shape \[16, 8'
                     r'\], and decoder/groups/lm/attn/query/map is updated from 16'):
    exporting.export(tmp_path / 'run', tmp_path / 'no', 'peft',
                     base=tmp_path / 'base')
  assert not (tmp_path / 'no').exists()
  assert cli.main(['export', 'x', '--format=peft', '--out=y'])
  assert '--format=peft and --base=TOWER go together' in capsys.readouterr().err
