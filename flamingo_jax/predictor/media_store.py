# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a model makes of media is kept on disk, for whoever asks it next.

It is in the user's cache folder, in a folder for each encoder, version and kind
of device: all that the last bit of a row hangs on. Media are known by their
content.
"""

from collections.abc import Mapping, Sequence
import hashlib
import json
import pathlib
import sys
from typing import Any

import av
from etils import epath
import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
import PIL

import flamingo_jax
from flamingo_jax import errors
from flamingo_jax import machine
from flamingo_jax import user_cache
from flamingo_jax.data.feature_store import FeatureStore, digest
from flamingo_jax.errors import UserError
from flamingo_jax.models import FlamingoConfig
from flamingo_jax.models.array_encoder import ArrayEncoderConfig
from flamingo_jax.models.vision import vision_config
from flamingo_jax.predictor.devices import sha256
from flamingo_jax.typing import Tree

_ENCODERS = ('vision_encoder', 'resampler')

# Of a medium: its latents [R Dr] and the mean of its features f32[Dv].
Seen = tuple[np.ndarray, np.ndarray]


def root() -> pathlib.Path:
  """The folder of all encoders."""
  return user_cache.root('media')


def is_kept(config: FlamingoConfig) -> bool:
  """Whether a store may be used.

  Not of several processes, each of which would encode other media, nor of
  arrays, whose encoder may be anybody's code.
  """
  return jax.process_count() == 1 and not isinstance(
      config.vision, ArrayEncoderConfig
  )


class MediaStore:
  """Rows of one encoder's; where they cannot be kept, it says so once."""

  def __init__(self, config: FlamingoConfig, params: Tree, layout: str):
    """Opens the folder of an encoder.

    Args:
      config: of the model.
      params: its whole tree.
      layout: of the weights on devices, as far as results hang on it.
    """
    resampler = config.resampler
    self._latents = resampler.latents, resampler.width
    self._dtype = jnp.dtype(config.dtype)
    features = vision_config(config.vision).features
    self._split = resampler.latents * resampler.width * self._dtype.itemsize
    source = _source(config, params, layout)
    name = hashlib.sha256(json.dumps(source).encode()).hexdigest()[:16]
    self._folder, self._store, self._room = root() / name, None, 0
    try:
      user_cache.usable(self._folder)
      self._store = FeatureStore(
          epath.Path(self._folder), (self._split + 4 * features,), 'uint8',
          source,
      )
    except (OSError, RuntimeError, UserError) as error:  # RuntimeError: no home
      self._stop(error)

  def find(self, keys: Sequence[str]) -> dict[str, Seen]:
    """What is kept of media, by key."""
    if self._store is None:
      return {}
    rows = self._store.find([digest(key.encode()) for key in keys])
    found = ((key, rows.get(digest(key.encode()))) for key in keys)
    return {
        key: self._as_seen(row) for key, row in found if row is not None
    }

  def add(self, seen: Mapping[str, Seen]) -> None:
    """Keeps more, as long as there is room."""
    if self._store is None or not seen:
      return
    size = len(seen) * self._store.row_bytes
    try:
      if size > self._room:
        most = user_cache.LARGEST['media']
        user_cache.remove_oldest(root(), most - size, self._folder)
        self._room = most - user_cache.bytes_kept(root())
      if size > self._room:
        raise UserError(f'{root()} is full')
      self._store.add(
          [digest(key.encode()) for key in seen],
          np.stack([np.concatenate([
              np.ascontiguousarray(x).reshape(-1).view(np.uint8) for x in pair
          ]) for pair in seen.values()]),
      )
      self._room -= size
    except (OSError, UserError) as error:
      self._stop(error)

  def close(self) -> None:
    """Closes its files."""
    if self._store is not None:
      self._store.close()
      self._store = None

  def _as_seen(self, row: np.ndarray) -> Seen:
    latents, features = np.split(row, [self._split])
    return (
        latents.view(self._dtype).reshape(self._latents),
        features.view(np.float32),
    )

  def _stop(self, error: Exception) -> None:
    self.close()
    print(
        'note: features of pictures are not kept from now on '
        f'({errors.one_line(str(error))}), so the next run computes them again; '
        'name a folder of your own with XDG_CACHE_HOME', file=sys.stderr,
    )


def _source(
    config: FlamingoConfig, params: Tree, layout: str
) -> dict[str, Any]:
  """All that rows hang on, but for the media."""
  architecture = config.to_dict()
  del architecture['decoder']
  # On a single thread XLA rounds differently.
  threads = min(machine.cores() or 2, 2)
  cpu = hashlib.sha256(machine.cpu().encode()).hexdigest()[:16]
  return json.loads(json.dumps({
      'weights': sha256({name: params[name] for name in _ENCODERS}),
      'architecture': [type(config).__qualname__, architecture],
      'versions': {
          module.__name__: module.__version__
          for module in (flamingo_jax, jax, jaxlib, np, PIL, av)
      },
      'device': [jax.devices()[0].device_kind, cpu, threads, layout],
  }))
