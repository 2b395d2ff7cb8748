# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Latents and features of media, and what is remembered of them."""

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence
import hashlib
from typing import Any, get_args

import jax
import numpy as np

from flamingo_jax.data.frames import Sampling
from flamingo_jax.data.media import Kind, Media, Squares
from flamingo_jax.data.media import load_frames, open_file
from flamingo_jax.models import FlamingoConfig
from flamingo_jax.models.vision import picture_size
from flamingo_jax.predictor import media_store
from flamingo_jax.predictor import programs
from flamingo_jax.predictor.devices import Devices, fetch
from flamingo_jax.predictor.media_store import MediaStore, Seen
from flamingo_jax.typing import Array, Float, Tree

_CHUNK = 256  # media of which features are asked at once


def content(medium: Media) -> tuple[str, str]:
  """What media of the same kind with the same bytes or pixels have in common.

  Read anew each time: a file or an array may have changed since.

  Raises:
    UserError: its file cannot be read.
  """
  if isinstance(medium.data, Squares):
    return medium.kind, medium.data.sha256
  if isinstance(medium.data, np.ndarray):
    pixels = np.ascontiguousarray(medium.data)
    digest = hashlib.sha256(f'{pixels.dtype} {pixels.shape}'.encode())
    digest.update(pixels)
  else:
    with open_file(medium) as file:
      digest = hashlib.file_digest(file, 'sha256')
  return medium.kind, digest.hexdigest()


class MediaEncoder:
  """Encodes media one by one on each device.

  In batches, what a medium's latents are in their last bits would depend on
  how many others it happens to be encoded with.
  """

  def __init__(
      self, config: FlamingoConfig, keep: int, cache_media: bool,
      devices: Devices,
  ):
    """Compiles nothing yet.

    Args:
      config: the architecture.
      keep: of how many media the latents stay in memory, the latest used.
      cache_media: whether they stay on disk too.
      devices: that encode.
    """
    self._config = config
    self._size = picture_size(config.vision, config.image_size)
    self._keep = keep
    self._devices = devices
    self._kept: dict[str, Seen] = collections.OrderedDict()  # latest used last
    self._is_stored = cache_media and media_store.is_kept(config)
    self._store: MediaStore | None = None
    # What was begun last, if it is to be kept.
    self._started: tuple[str, tuple[Array, Array]] | None = None
    self._see = devices.compile(programs.see, config.build())

  @property
  def keeps(self) -> bool:
    """Whether what is seen is there for later calls."""
    return bool(self._keep) or self._is_stored

  def latents(
      self, params: Tree, media: Iterable[Media], sampling: Sampling
  ) -> dict[Media, Float[np.ndarray, 'R Dr']]:
    """The latents of each medium, which is encoded unless they are kept."""
    seen = self._look(params, media, sampling)
    return {medium: latents for medium, (latents, _) in seen.items()}

  def start(
      self, params: Tree, medium: Media, sampling: Sampling
  ) -> Float[Array | np.ndarray, '1 R Dr']:
    """The latents of one medium; the device may still be at it."""
    if self._is_stored or self._devices.size > 1:
      return self.latents(params, [medium], sampling)[medium][None]
    key = self._key(medium, sampling)
    if self._started and self._started[0] == key:
      return self._started[1][0]
    self._keep_started()
    if key in self._kept:
      self._kept.move_to_end(key)
      return self._kept[key][0][None]
    result = self._see(params, None, self._frames([medium], sampling))
    if self._keep:
      self._started = key, result
    return result[0]

  def features(
      self, params: Tree, media: Sequence[Media], sampling: Sampling
  ) -> Float[np.ndarray, 'media Dv']:
    """The vision encoder's features of each medium, their mean."""
    rows = []
    for start in range(0, len(media), _CHUNK):  # not the latents of all at once
      part = media[start : start + _CHUNK]
      seen = self._look(params, part, sampling)
      rows += [seen[medium][1] for medium in part]
    return np.stack(rows)

  def forget(self) -> None:
    """Keeps no latents of earlier calls in memory; parameters may be others."""
    self._kept.clear()
    self._started = None
    if self._store:
      self._store.close()
    self._store = None

  def _look(
      self, params: Tree, media: Iterable[Media], sampling: Sampling
  ) -> dict[Media, Seen]:
    """What is seen in each medium."""
    self._keep_started()
    keys = {medium: self._key(medium, sampling) for medium in media}
    first = {}  # of several with the same content, one is encoded
    for medium, key in keys.items():
      first.setdefault(key, medium)
    found = {key: self._kept[key] for key in first if key in self._kept}
    missing = [key for key in first if key not in found]
    if self._is_stored and missing:
      self._store = self._store or MediaStore(
          self._config, params, self._devices.layout
      )
      found |= self._store.find(missing)
      missing = [key for key in missing if key not in found]
    of_medium = dict(self._run(params, [first[key] for key in missing], sampling))
    new = {key: of_medium[first[key]] for key in missing}
    if self._store:
      self._store.add(new)
    found |= new
    if self._keep:
      self._keep_seen(found)
    return {medium: found[key] for medium, key in keys.items()}

  def _keep_seen(self, found: Mapping[str, Seen]) -> None:
    """Keeps what was used now; the longest unused ones make way."""
    for key, seen in found.items():
      self._kept[key] = seen
      self._kept.move_to_end(key)
    while len(self._kept) > self._keep:
      self._kept.popitem(last=False)

  def _keep_started(self) -> None:
    """Waits for what was begun last, and keeps it."""
    if self._started:
      (key, result), self._started = self._started, None
      try:
        latents, features = map(fetch, result)
      except jax.errors.JaxRuntimeError:
        return  # it is told to whoever reads what hangs on it
      self._keep_seen({key: (latents[0], features[0])})

  def _key(self, medium: Media, sampling: Sampling) -> Any:
    """What media have in common of which one is encoded for all."""
    if self.keeps:
      read = '' if medium.kind == 'image' else sampling
      return ' '.join(map(str, (*content(medium), read)))
    # Nobody will ask for it again.
    return medium if medium.data is not None else (medium.kind, medium.path)

  def _run(
      self, params: Tree, media: Sequence[Media], sampling: Sampling
  ) -> Iterator[tuple[Media, Seen]]:
    """Each with what is seen; one is read while the last is encoded."""
    pending, count = None, self._devices.size
    for kind in get_args(Kind):
      alike = [medium for medium in media if medium.kind == kind]
      for start in range(0, len(alike), count):
        chunk = alike[start : start + count]
        result = self._see(params, None, self._frames(chunk, sampling))
        if pending:
          yield from zip(pending[0], zip(*map(fetch, pending[1])))
        pending = chunk, result
    if pending:
      yield from zip(pending[0], zip(*map(fetch, pending[1])))

  def _frames(
      self, media: Sequence[Media], sampling: Sampling
  ) -> tuple[np.ndarray, np.ndarray]:
    """Pixels or arrays of media of one kind, one per device, and the mask."""
    count, size = self._devices.size, self._size
    frames = size.places if media[0].kind == 'image' else sampling.frames
    pixels = np.zeros((count, 1, frames, *size.shape), size.dtype)
    mask = np.zeros((count, 1, frames), bool)
    for i, medium in enumerate(media):
      pixels[i, 0], mask[i, 0] = load_frames(
          medium, frames, size, None, sampling.fps
      )
    return pixels, mask
