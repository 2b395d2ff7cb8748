# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The stage before Flamingo: a vision encoder that Flamingo then reads."""

import json
import math

import chex
import jax
import numpy as np
import pytest

from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models import contrastive
from flamingo_jax.run_dir.pretrained import TrainStateInitializer
from flamingo_jax.training.optimizer import (
    clip_towers,
    contrastive_optimizer,
    linear_warmup_linear,
)
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import Trainer, init_state
from flamingo_jax.training.trained_model import ContrastiveModel
from tests.random_weights import save_run
from tests.training.conftest import train_tower

CONFIG = contrastive.ContrastiveConfig(
    vision='one_block',
    text=contrastive.TextEncoderConfig(
        vocab=2048, layers=1, width=16, heads=2, head_size=8, context=6
    ),
    joint=8, image_size=16, dtype='float32', masks_duplicates=True,
)
LAMBDA = {'align': 1.0, 'ltip': 1.0}


def make_batch(seed, rows=8):
  """Pairs of two datasets; some are padding, and some texts are the same."""
  rng = np.random.default_rng(seed)
  batch = {}
  for name, k in (('align', 1), ('ltip', 2)):
    lead = (rows, k)
    text = rng.integers(0, 4, (*lead, 1)) + np.arange(6)
    real = np.arange(6) < rng.integers(0, 7, (*lead, 1))
    batch |= {f'{name}/{key}': x for key, x in {
        'tokens': text.astype(np.int32),
        'targets': text.astype(np.int32),
        'loss_weights': real.astype(np.float32),
        'media_index': np.ones((*lead, 6), np.int32),
        'media': rng.integers(0, 256, (*lead, 1, 1, 16, 16, 3), dtype=np.uint8),
        'media_mask': np.ones((*lead, 1, 1), bool),
        'example_id': np.zeros(lead, np.int32),
    }.items()}
  return batch


@pytest.fixture(scope='module')
def towers():
  return ContrastiveModel(
      CONFIG, default_vocabulary(),
      contrastive_optimizer(linear_warmup_linear(1e-2, 0, 10)),
  )


@pytest.fixture(scope='module')
def trained(towers, one_device):
  return train_tower(towers, one_device, make_batch(0), LAMBDA)


def test_both_towers_learn(towers, one_device, trained):
  losses, state, _ = trained
  assert sum(losses[2]) < sum(losses[0])
  start, _ = init_state(towers, one_device, jax.random.key(0))
  before, after = jax.device_get((start.params, state.params))
  still = [
      jax.tree_util.keystr(path)
      for (path, a), b in zip(
          jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after)
      )
      if np.all(a == b)
  ]
  assert not still


def test_a_mesh_has_the_same_negatives(towers, trained):
  mesh = Partitioner({'fsdp': 4, 'model': 2}, 'tensor_parallel')
  losses, *_ = train_tower(towers, mesh, make_batch(0), LAMBDA)
  np.testing.assert_allclose(losses, trained[0], rtol=1e-4)


def test_microbatches_are_refused(towers, one_device):
  state, frozen_params = init_state(towers, one_device, jax.random.key(0))
  trainer = Trainer(towers, one_device, lambda step: 0.0, LAMBDA, 2)
  with pytest.raises(UserError, match='num_microbatches is 2.*contrastive'):
    trainer.lower_train(
        state, frozen_params, one_device.put_batch(make_batch(0))
    )


def test_each_tower_is_clipped_in_its_own_way():
  rng = np.random.default_rng(0)
  draw = lambda *shape: rng.normal(size=shape).astype(np.float32)
  shapes = {
      'vision_encoder': {
          'stem_conv0': {'kernel': (3, 3, 2, 4), 'bias': (4,)},
          'stage0_blocks': {
              'conv0': {'kernel': (5, 3, 3, 2, 4), 'bias': (5, 4)},
              'skip_gain': (5,),
          },
          # Of a ViT, whose layers are stacked.
          'layer_blocks': {'out': (5, 2, 3, 4), 'up': (5, 3, 4), 'norm': (5, 4)},
          'position_embeddings': (3, 4),
      },
      'text_encoder': {'map': (3, 4)},
      'image_projection': {'kernel': (4, 4)},
  }
  is_shape = lambda x: isinstance(x, tuple)
  params = jax.tree.map(lambda s: draw(*s), shapes, is_leaf=is_shape)
  grads = jax.tree.map(lambda s: 9 * draw(*s), shapes, is_leaf=is_shape)
  clip = jax.jit(lambda grads, params: clip_towers(grads, params, 0.01, 10.0))
  clipped = jax.device_get(clip(grads, params))
  rest, given = (
      {k: tree[k] for k in ('text_encoder', 'image_projection')}
      for tree in (clipped, grads)
  )
  norm = math.sqrt(sum(np.sum(g**2) for g in jax.tree.leaves(given)))
  assert norm > 10
  chex.assert_trees_all_close(
      rest, jax.tree.map(lambda g: 10 * g / norm, given), rtol=1e-5
  )

  def expected(grad, param, axes):
    norm = lambda x: np.sqrt(np.sum(x**2, axis=axes, keepdims=True))
    largest = 0.01 * np.maximum(norm(param), 1e-3)
    return grad * np.minimum(1, largest / norm(grad))

  ours = clipped['vision_encoder']
  theirs = grads['vision_encoder'], params['vision_encoder']
  for place, axes in (
      (('stem_conv0', 'kernel'), (0, 1, 2)),
      (('stem_conv0', 'bias'), (0,)),
      # A block at a time.
      (('stage0_blocks', 'conv0', 'kernel'), (1, 2, 3)),
      (('stage0_blocks', 'conv0', 'bias'), (1,)),
      (('stage0_blocks', 'skip_gain'), ()),
      (('layer_blocks', 'out'), (1, 2)),
      (('layer_blocks', 'up'), (1,)),
      (('layer_blocks', 'norm'), (1,)),
      (('position_embeddings',), (0,)),
  ):
    leaf, (grad, param) = ours, theirs
    for key in place:
      leaf, grad, param = leaf[key], grad[key], param[key]
    np.testing.assert_allclose(leaf, expected(grad, param, axes), rtol=1e-5)
  small = jax.tree.map(lambda p: p * 1e-4, params)
  chex.assert_trees_all_equal(clip(small, params), small)


def test_the_learning_rate_falls_to_zero():
  schedule = linear_warmup_linear(1e-3, 10, 110)
  values = [float(schedule(step)) for step in (0, 5, 10, 60, 110, 200)]
  np.testing.assert_allclose(values, [0, 5e-4, 1e-3, 5e-4, 0, 0], rtol=1e-5)


def test_flamingo_reads_the_vision_encoder(
    model, one_device, towers, trained, tmp_path
):
  run = tmp_path / 'run'
  save_run(run, towers.config, 3, trained[1].params, {})
  _, frozen = TrainStateInitializer(
      model, one_device, vision_encoder=str(run), model_dir=str(tmp_path)
  ).from_scratch(jax.random.key(1))
  chex.assert_trees_all_equal(
      frozen['vision_encoder'], trained[1].params['vision_encoder']
  )
  restored = json.loads((tmp_path / 'restored.json').read_text())
  assert set(restored) == {'vision_encoder'}
