# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Features from the folder in the place of the vision encoder."""

import contextlib
import dataclasses

import chex
import jax
import numpy as np
import pytest

import flamingo_jax
from flamingo_jax.data import features, pipeline
from flamingo_jax.driver.media_cache import MediaCache, check_cacheable
from flamingo_jax.errors import UserError
from flamingo_jax.training.accumulate import compute_gradients
from tests.training.conftest import LAMBDA, make_batch


@pytest.fixture(scope='module')
def opened(model, start):
  """folder -> its cache, which the next `opened` closes."""
  with contextlib.ExitStack() as stack:
    def open_folder(folder, frozen_params=start[1]):
      stack.close()
      cache = MediaCache(model, on_devices(frozen_params), folder)
      return stack.enter_context(contextlib.closing(cache))

    yield open_folder


def on_devices(frozen_params):
  """As a run has them: on a mesh."""
  mesh = jax.sharding.Mesh(np.array(jax.devices()), ('fsdp',))
  whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
  return jax.device_put(frozen_params, whole)


def same_pictures(batch, rng):
  """Another order, and other texts."""
  order = rng.permutation(8)
  other = {
      key: x[order] if key.endswith(('media', 'mask')) else x
      for key, x in make_batch(1).items()
  }
  return other | {
      key: batch[key][order] for key in batch if key.endswith('/media')
  }


def test_features_are_those_of_the_step_which_has_no_encoder_left(
    model, start, opened, tmp_path
):
  batch = make_batch(0)
  cached = opened(tmp_path)(batch)
  encoded = jax.jit(model.prepare)(start[1], batch)
  chex.assert_trees_all_equal_shapes_and_dtypes(cached, encoded)
  chex.assert_trees_all_close(cached, encoded, rtol=1e-5, atol=1e-6)
  step = jax.jit(
      lambda batch, start: compute_gradients(model, *start, batch, LAMBDA)
  )
  assert 'convolution' in step.lower(batch, start).as_text()
  assert 'convolution' not in step.lower(cached, start).as_text()


def test_a_picture_is_encoded_once_whatever_it_comes_with(opened, tmp_path):
  batch = make_batch(0)
  cache = opened(tmp_path)
  first = cache(batch)
  assert cache.encoded == 8 * 2 + 16  # of m3w and of pairs
  other = cache(same_pictures(batch, np.random.default_rng(0)))
  again = opened(tmp_path)
  chex.assert_trees_all_equal(again(batch), first)
  assert (cache.encoded, again.encoded) == (32, 0)
  assert not np.array_equal(other['m3w/features'], first['m3w/features'])


@pytest.mark.parametrize('file, cut', [
    ('features', 1), ('features', 5000), ('digests', 1), ('digests', 40),
])
def test_what_a_killed_run_left_is_used(opened, tmp_path, file, cut):
  batch = make_batch(0)
  first = opened(tmp_path)(batch)
  path = tmp_path / 'process_0' / '16x16' / file
  opened(tmp_path / 'other')  # closes the one before
  path.write_bytes(path.read_bytes()[:-cut])
  cache = opened(tmp_path)
  chex.assert_trees_all_equal(cache(batch), first)
  assert 0 < cache.encoded < 32
  again = opened(tmp_path)
  chex.assert_trees_all_equal(again(batch), first)
  assert again.encoded == 0


def test_features_of_another_encoder_are_refused(opened, start, tmp_path):
  opened(tmp_path)(make_batch(0))
  other = jax.tree.map(lambda x: x * 1.001, start[1])
  with pytest.raises(UserError, match='another vision encoder .encoder is'):
    opened(tmp_path, other)(make_batch(0))


def test_features_of_another_version_are_refused(
    opened, tmp_path, monkeypatch
):
  opened(tmp_path)(make_batch(0))
  monkeypatch.setattr(flamingo_jax, '__version__', '9')
  with pytest.raises(UserError, match="flamingo_jax is '.*' there and '9'"):
    opened(tmp_path)(make_batch(0))


def test_runs_may_share_a_folder(model, opened, start, tmp_path):
  first = opened(tmp_path)(make_batch(0))
  second = MediaCache(model, on_devices(start[1]), tmp_path)
  with contextlib.closing(second):
    chex.assert_trees_all_equal(second(make_batch(0)), first)
  assert second.encoded == 0


@pytest.mark.parametrize('augment', ['', 'flipped', 'moved'])
def test_pictures_that_change_with_every_epoch_are_refused(augment):
  features.add_task('of_pictures', {'train': list}, augment=augment)
  cfg = pipeline.DatasetConfig(
      'of_pictures', {}, 'train', {'of_pictures': 1}, shuffle=True, seed=0
  )
  check_cacheable(dataclasses.replace(cfg, shuffle=False))
  with contextlib.nullcontext() if not augment else pytest.raises(
      UserError, match='changes its pictures'
  ):
    check_cacheable(cfg)
