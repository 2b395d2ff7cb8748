# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How many frames of a video are read, and how far apart (Flamingo B.1.2)."""

import dataclasses
import math
import numbers
from typing import Any

from flamingo_jax.errors import UserError


AnyNumber = Any  # what a caller gives; `Sampling` says what is wrong with it


@dataclasses.dataclass(frozen=True)
class Sampling:
  """What is read of a video; an image is always one frame.

  Raises:
    UserError: a value that makes no sense.
  """

  frames: AnyNumber  # how many, at most
  # Frames per second of the video's time, which need not be whole.
  fps: AnyNumber

  def __post_init__(self):
    frames, fps = self.frames, self.fps
    if not _is(numbers.Integral, frames) or frames < 1:
      raise UserError(
          f'frames is {frames!r} and must be a whole number from 1: how many '
          'are read of a video'
      )
    if not _is(numbers.Real, fps) or not 0 < fps < math.inf:
      raise UserError(
          f'fps is {fps!r} and must be a number above 0, such as 3 or 0.5: '
          'frames per second of a video'
      )
    # As JSON has them.
    object.__setattr__(self, 'frames', int(frames))
    object.__setattr__(self, 'fps', float(fps))

  def override(
      self, frames: AnyNumber = None, fps: AnyNumber = None
  ) -> 'Sampling':
    """The same but for what is given."""
    return Sampling(
        self.frames if frames is None else frames,
        self.fps if fps is None else fps,
    )

  @property
  def seconds(self) -> float:
    """Of the longest video that is read at `fps`; a longer one is covered."""
    return self.frames / self.fps


def _is(kind: type, value: object) -> bool:
  """Whether it is such a number; no bool is meant as one."""
  return isinstance(value, kind) and not isinstance(value, bool)


# The paper's.
TRAINING = Sampling(8, 1.0)
EVALUATION = Sampling(30, 3.0)
