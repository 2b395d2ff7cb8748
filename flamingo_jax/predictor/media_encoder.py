# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Latents and features of media, and latents that are remembered."""

import collections
from collections.abc import Callable, Iterable, Iterator, Sequence
import hashlib
from typing import get_args

import numpy as np

from flamingo_jax.data.frames import Sampling
from flamingo_jax.data.media import Kind, Media, Squares
from flamingo_jax.data.media import load_frames, open_file
from flamingo_jax.models import FlamingoConfig
from flamingo_jax.models.vision import picture_size
from flamingo_jax.predictor import programs
from flamingo_jax.predictor.devices import Devices, fetch
from flamingo_jax.typing import Float, Tree


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
      self, config: FlamingoConfig, keep: int, devices: Devices
  ):
    """Compiles nothing yet.

    Args:
      config: the architecture.
      keep: of how many media the latents stay in memory, the latest used.
      devices: that encode.
    """
    self._size = picture_size(config.vision, config.image_size)
    self._keep = keep
    self._devices = devices
    self._kept = collections.OrderedDict()  # by content, the latest used last
    compiled = lambda program: devices.compile(program, config.build())
    self._encode = compiled(programs.encode)
    self._features = compiled(programs.mean_features)

  def latents(
      self, params: Tree, media: Iterable[Media], sampling: Sampling
  ) -> dict[Media, Float[np.ndarray, 'R Dr']]:
    """The latents of each medium, which is encoded unless they are kept."""
    wanted = {medium: self._key(medium, sampling) for medium in media}
    first = {}  # of several with the same content, one is encoded
    for medium, key in wanted.items():
      first.setdefault(key, medium)
    found = {}
    for key in list(first):
      if key in self._kept:
        self._kept.move_to_end(key)
        found[key] = self._kept[key]
        del first[key]
    encoded = self._run(
        self._encode, params, list(first.values()), sampling
    )
    for medium, row in encoded:
      found[wanted[medium]] = row
      if self._keep:
        self._kept[wanted[medium]] = row
        if len(self._kept) > self._keep:
          self._kept.popitem(last=False)
    return {medium: found[key] for medium, key in wanted.items()}

  def forget(self) -> None:
    """Keeps no latents of earlier calls."""
    self._kept.clear()

  def features(
      self, params: Tree, media: Sequence[Media], sampling: Sampling
  ) -> Float[np.ndarray, 'media Dv']:
    """The vision encoder's features of each medium, their mean."""
    found = dict(self._run(self._features, params, media, sampling))
    return np.stack([found[medium] for medium in media])

  def _key(
      self, medium: Media, sampling: Sampling
  ) -> Media | tuple[str | Sampling | None, ...]:
    """What media have in common of which one is encoded for all."""
    if self._keep:
      read = None if medium.kind == 'image' else sampling
      return *content(medium), read
    # Nobody will ask for it again.
    return medium if medium.data is not None else (medium.kind, medium.path)

  def _run(
      self, program: Callable, params: Tree, media: Sequence[Media],
      sampling: Sampling,
  ) -> Iterator[tuple[Media, np.ndarray]]:
    """(medium, result) of each; one is read while the last is encoded."""
    pending = None
    count, size = self._devices.size, self._size
    for kind in get_args(Kind):
      frames = size.places if kind == 'image' else sampling.frames
      alike = [medium for medium in media if medium.kind == kind]
      for start in range(0, len(alike), count):
        chunk = alike[start : start + count]
        pixels = np.zeros((count, 1, frames, *size.shape), size.dtype)
        mask = np.zeros((count, 1, frames), bool)
        for i, medium in enumerate(chunk):
          pixels[i, 0], mask[i, 0] = load_frames(
              medium, frames, size, None, sampling.fps
          )
        result = program(params, None, (pixels, mask))
        if pending:
          yield from zip(pending[0], fetch(pending[1]))
        pending = chunk, result
    if pending:
      yield from zip(pending[0], fetch(pending[1]))
