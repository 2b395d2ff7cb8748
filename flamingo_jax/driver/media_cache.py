# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Each picture is seen once by the vision encoder, which is frozen.

Its features are kept in a folder under the digest of the picture's pixels, so
that they are found again whatever epoch, task, window of text or place in a
batch the picture comes in. A picture takes P x Dv numbers: 600 kB of
bfloat16 from F6 at 320 pixels.
"""

import contextlib
import os

import jax
import jax.numpy as jnp
import numpy as np

import flamingo_jax
from flamingo_jax.data import pipeline
from flamingo_jax.data.buckets import as_folder
from flamingo_jax.data.feature_store import FeatureStore, digest
from flamingo_jax.errors import UserError
from flamingo_jax.models.vision import is_tiled
from flamingo_jax.run_dir.fingerprint import fingerprint
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.trained_model import Batch, TrainedModel
from flamingo_jax.typing import Tree

_CHUNK = 16  # pictures that a device encodes at once


class MediaCache:
  """Replaces the media of a process's batches by their features."""

  def __init__(
      self,
      model: TrainedModel,
      frozen_params: Tree,
      folder: str | os.PathLike,
  ):
    """Opens the folder; all processes of a job have to do it.

    Args:
      model: that is trained.
      frozen_params: its frozen tree, with the vision encoder.
      folder: each process has one of its own in it, of local disk.

    Raises:
      UserError: the folder is in a bucket, or nothing sees pictures frozen.
    """
    if 'vision_encoder' in model.shapes['params'] or (
        'vision_encoder' not in frozen_params
    ):
      raise UserError(
          'the media cache keeps what a frozen vision encoder makes of pictures,'
          ' and this run has none: train it without --cache_media'
      )
    if is_tiled(model.config.vision):
      raise UserError(
          'the media cache keeps features of single squares, and this vision '
          'encoder sees all tiles of a picture together: train it without '
          '--cache_media'
      )
    if '://' in os.fspath(folder):
      raise UserError(
          f'the media cache {folder} is not on a disk of this machine: give a '
          'local folder with --cache_media=DIR'
      )
    self._module = model.module
    self._folder = as_folder(folder) / f'process_{jax.process_index()}'
    self._source = {
        'encoder': fingerprint(frozen_params['vision_encoder']),
        'vision': model.config.to_dict()['vision'],
        'flamingo_jax': flamingo_jax.__version__,
    }
    # Processes meet different numbers of new pictures, so each encodes its own
    # on its own devices.
    self._local = Partitioner(
        {'replica': jax.local_device_count()}, devices=jax.local_devices()
    )
    self._params = _copy_to(self._local, frozen_params['vision_encoder'])
    self._encode = jax.jit(self._features)
    self._stores: dict[tuple[int, ...], FeatureStore] = {}
    self.encoded = 0  # pictures that were not found

  def __call__(self, batch: Batch) -> Batch:
    """'<dataset>/media' [B, k, M, T, h, w, 3] -> '<dataset>/features'.

    Features are those of `FlamingoModel.prepare`, [B, k, M, T, P, Dv].
    """
    cached = {}
    for name, x in batch.items():
      if name.endswith('/media'):
        pictures = x.reshape(-1, *x.shape[-3:])
        features = self._of_pictures(pictures)
        name = f'{name.removesuffix("media")}features'
        x = features.reshape(*x.shape[:-3], *features.shape[1:])
      cached[name] = x
    return cached

  def close(self) -> None:
    """Closes its files."""
    for store in self._stores.values():
      store.close()

  def _of_pictures(self, pictures: np.ndarray) -> np.ndarray:
    """uint8[N h w 3] -> [N P Dv]."""
    store = self._store(pictures.shape[1:])
    keys = list(map(digest, pictures))
    found = store.find(keys)
    new = {
        key: picture for key, picture in zip(keys, pictures)
        if key not in found
    }
    size = _CHUNK * jax.local_device_count()
    for start in range(0, len(new), size):
      part = list(new)[start:start + size]
      chunk = np.zeros((size, *pictures.shape[1:]), np.uint8)
      chunk[:len(part)] = [new[key] for key in part]
      with self._local.rules_in_use():
        features = self._encode(
            self._params, jax.device_put(chunk, self._local.batch_sharding)
        )
      rows = np.asarray(features)[:len(part)]
      store.add(part, rows)
      found |= zip(part, rows)
    self.encoded += len(new)
    return np.stack([found[key] for key in keys])

  def _features(self, params: Tree, pictures: jax.Array) -> jax.Array:
    return self._module.apply(
        {'params': {'vision_encoder': params}}, pictures, method='features'
    )

  def _store(self, picture: tuple[int, ...]) -> FeatureStore:
    """That of pictures of one size."""
    if picture not in self._stores:
      row = jax.eval_shape(
          self._features, self._params,
          jax.ShapeDtypeStruct((1, *picture), jnp.uint8),
      )
      height, width, _ = picture
      self._stores[picture] = FeatureStore(
          self._folder / f'{height}x{width}', row.shape[1:], row.dtype,
          self._source,
      )
    return self._stores[picture]


def _copy_to(partitioner: Partitioner, tree: Tree) -> Tree:
  """The whole of a tree on each of this process's devices."""
  def whole(x: jax.Array) -> np.ndarray:
    replicated = jax.sharding.NamedSharding(
        x.sharding.mesh, jax.sharding.PartitionSpec()
    )
    return np.asarray(jax.device_put(x, replicated).addressable_data(0))

  return jax.tree.map(
      lambda x: jax.device_put(whole(x), partitioner.replicated), tree
  )


def check_cacheable(cfg: pipeline.DatasetConfig) -> None:
  """Raises UserError where a picture is another one in each epoch."""
  for task in pipeline.mixture_tasks(cfg.mixture_or_task_name):
    if cfg.shuffle and task.source.augments:
      raise UserError(
          f'task {task.name!r} changes its pictures at random, so '
          'that no two epochs have a picture in common: train it without '
          '--cache_media, or register it with augment=""'
      )


def open_cache(
    where: bool | str,
    model_dir: str,
    model: TrainedModel,
    frozen_params: Tree,
    cfg: pipeline.DatasetConfig,
) -> contextlib.AbstractContextManager[MediaCache | None]:
  """The cache of a run, to be left open while it trains; None without one.

  Args:
    where: False: none; True: MODEL_DIR/media_cache; or a folder.
    model_dir: the run's folder.
    model: what is trained.
    frozen_params: its frozen tree.
    cfg: the data that it is trained on.

  Raises:
    UserError: pictures are augmented, or the folder is that of another encoder.
  """
  if not where:
    return contextlib.nullcontext()
  check_cacheable(cfg)
  folder = as_folder(model_dir) / 'media_cache' if where is True else where
  return contextlib.closing(MediaCache(model, frozen_params, folder))
