# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How many frames of a video are read, and how far apart (Flamingo B.1.2)."""

import dataclasses

from flamingo_jax import option_values
from flamingo_jax.option_values import AnyNumber

_MOST_FRAMES = 10_000  # of 320 pixels: 3 GB


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
    # As JSON has them.
    object.__setattr__(self, 'frames', option_values.whole_number(
        'frames', self.frames, 1, _MOST_FRAMES,
        meaning='how many are read of a video',
    ))
    object.__setattr__(self, 'fps', option_values.real_number(
        'fps', self.fps, 0, above=True,
        meaning='frames per second of a video, such as 3 or 0.5',
    ))

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


# The paper's.
TRAINING = Sampling(8, 1.0)
EVALUATION = Sampling(30, 3.0)
