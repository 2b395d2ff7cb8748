# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What an evaluation says of the videos that it read (Flamingo B.1.2)."""

from collections.abc import Iterable, Mapping
from typing import Any

from flamingo_jax.data import media as media_reader
from flamingo_jax.data import video
from flamingo_jax.data.frames import Sampling
from flamingo_jax.evaluation.prompts import Sample

_RULE = (
    'frames at fps from the beginning, each the one on screen at its time; a '
    'video that is longer than frames / fps seconds is covered evenly, with '
    'frames (its length / frames) seconds apart'
)


def describe(samples: Iterable[Sample], sampling: Sampling) -> dict[str, Any]:
  """The rule, and of how many videos it is not what was asked for.

  Args:
    samples: that were shown; all media are files of videos.
    sampling: how they were read.

  Returns:
    rule, videos, covered_evenly (those that are too long for `fps`) and
    frames_repeated (those that have fewer frames per second than are read).
  """
  files = {m.path: m for sample in samples for m in sample.media}
  extents = []
  for medium in files.values():
    with media_reader.open_file(medium) as file:
      extents.append(video.extent(file, medium.path))
  longer = [extent.seconds > sampling.seconds for extent in extents]
  asked = [
      sampling.frames / extent.seconds if is_longer else sampling.fps
      for extent, is_longer in zip(extents, longer)
  ]
  return {
      'rule': _RULE,
      'videos': len(extents),
      'covered_evenly': sum(longer),
      'frames_repeated': sum(map(video.Extent.is_slower, extents, asked)),
  }


def sentence(card: Mapping[str, Any]) -> str:
  """What a card says of its videos, for people; '' if all is as asked for."""
  found, settings = card.get('clips'), card['settings']
  told = []
  if found and found['covered_evenly']:
    told.append(
        f'{found["covered_evenly"]} are longer than '
        f'{settings["frames"] / settings["fps"]:g} s and were covered evenly '
        f'by {settings["frames"]} frames'
    )
  if found and found['frames_repeated']:
    told.append(
        f'{found["frames_repeated"]} have fewer frames per second than were '
        'read, so some were shown several times (flamingo prepare keeps one '
        'per second: evaluate on the original files)'
    )
  if not told:
    return ''
  return (
      f'of {found["videos"]} videos with {settings["shots"]} shots '
      f'{"; ".join(told)}'
  )
