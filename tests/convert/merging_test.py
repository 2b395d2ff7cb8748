# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""`flamingo convert --merge_lora`: the same model, without updates."""

import dataclasses

from flax import traverse_util
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax import cli
from flamingo_jax.convert import exporting
from flamingo_jax.convert import merging
from flamingo_jax.convert.stored_weights import StoredWeights
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models import int8, lora
from flamingo_jax.models.lora import LoraConfig
from flamingo_jax.run_dir.model_json import stored_config
from flamingo_jax.training.trainable import split_params
from tests import command_examples
from tests.random_weights import random_weights, save_run, tiny_config

CONFIG = dataclasses.replace(
    tiny_config(
        'one_block', vocab=default_vocabulary().base_size, layers=3,
        xattn_every=2,
    ),
    frozen_dtype='bfloat16',
    lora=LoraConfig(2, 3.0, ('decoder/*/out', 'decoder/*/down'), alone=True),
)


@pytest.fixture(scope='module')
def params():
  def stored(path, x):
    if path[-1] == lora.SCALE:
      return jnp.full_like(x, 1.5)
    return x.astype(jnp.bfloat16) if path[-1] == 'kernel' else x

  return traverse_util.path_aware_map(stored, random_weights(CONFIG, 0.3))


def test_updates_become_part_of_their_maps(params, tmp_path, capsys):
  run, merged = tmp_path / 'run', tmp_path / 'merged'
  save_run(run, CONFIG, 4, *split_params(params, (), True), max_media=3)
  assert not cli.main(command_examples.arguments('convert', 2, {
      'runs/lora': run, '--out=runs/merged': f'--out={merged}',
  }))
  told = capsys.readouterr().out
  assert 'updates of rank 2, alpha 3.0, of 4 linear maps; rounding' in told
  assert f'from step 4 of {run}' in told
  assert stored_config(merged) == dataclasses.replace(CONFIG, lora=LoraConfig())
  # What was frozen beside the updates is trained by those who go on from it.
  trained, frozen = (
      set(traverse_util.flatten_dict(tree)) for tree in split_params(params)
  )
  weights = StoredWeights(merged)
  assert set(weights) == {
      path for path in trained | frozen if path[-1] not in lora.LEAVES
  }
  stored = {path.name for path in (merged / 'checkpoint_0' / 'state').iterdir()}
  assert 'params.decoder.groups.xattn.attn_gate' in stored
  flat = traverse_util.flatten_dict(params)
  for path in weights:
    found, x = weights.read(path), np.asarray(flat[path])
    if (*path[:-1], 'lora_a') in flat:
      a, b = (np.asarray(flat[*path[:-1], name]) for name in lora.FACTORS)
      stack = a.ndim - 2 - (path[-3] == 'out')  # whose inputs are heads too
      whole = x.astype(np.float64) + 1.5 * np.reshape(
          a.reshape(*a.shape[:stack], -1, 2).astype(np.float64) @ b, x.shape
      )
      # To half of the last of 8 bits.
      np.testing.assert_allclose(found.astype(np.float64), whole, rtol=2**-8)
      assert np.abs(found.astype(np.float32) - x.astype(np.float32)).max() > 0.1
    else:
      np.testing.assert_array_equal(found, x)
    assert found.dtype == x.dtype
  with pytest.raises(UserError, match=r'has no low-rank updates \(lora.rank is 0'):
    merging.merge(merged, tmp_path / 'again')


def test_maps_of_8_bits_become_bfloat16(params, tmp_path):
  flat = traverse_util.flatten_dict(params)
  place = 'decoder', 'groups', 'lm', 'ffw', 'down'
  kernel, scale = int8.quantize(flat[*place, 'kernel'], 2)
  flat |= {(*place, 'kernel'): kernel, (*place, int8.SCALE): scale}
  config = dataclasses.replace(CONFIG, frozen_dtype='int8')
  save_run(tmp_path / 'run', config, 4, *split_params(
      traverse_util.unflatten_dict(flat), (), True
  ))
  with pytest.raises(UserError, match='maps of 8 bits .*format=safetensors does'):
    exporting.export(tmp_path / 'run', tmp_path / 'no', 'safetensors')
  merging.merge(tmp_path / 'run', tmp_path / 'merged')
  assert stored_config(tmp_path / 'merged').frozen_dtype == 'bfloat16'
  weights = StoredWeights(tmp_path / 'merged')
  assert (*place, int8.SCALE) not in set(weights)
  found = weights.read((*place, 'kernel'))
  whole = kernel * scale[..., None, :] + lora.product(
      *(flat[*place, name] for name in lora.LEAVES)
  )
  assert found.dtype == jnp.bfloat16
  np.testing.assert_allclose(found.astype(np.float32), whole, rtol=2**-8)


def test_flags_of_other_conversions_are_told(capsys):
  for flags, told in (
      (['--merge_lora', '--head_size=8'], '--merge_lora is for a run'),
      (['--step=3'], '--step is a checkpoint of a run: give --merge_lora'),
  ):
    assert cli.main(['convert', 'x', '--out=y', *flags])
    assert told in capsys.readouterr().err
