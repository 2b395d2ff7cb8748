# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Encoders of arrays: any modality in the place of pictures.

Where a Flamingo of pictures has a vision encoder, a Flamingo of time series,
sound, proteins or a robot's state has a module of this protocol:

  class Encoder(nn.Module):
    dtype: str  # of activations

    def __call__(
        self, arrays: Float[Array, 'N P C']  # float32: the frames of all media
    ) -> Float[Array, 'N _ Dv']:  # tokens that the resampler reads
      ...

Frames are encoded one by one; what they have in common, the resampler sees.
A class of such modules has a name: in ENCODERS, or as 'my.module:Encoder'. A stored
model only names it: whoever loads the model has to have imported the module.
"""

import dataclasses
import sys

from flax import linen as nn

from flamingo_jax.errors import UserError
from flamingo_jax.picture_size import ArraySize
from flamingo_jax.typing import Array, Float


class Features(nn.Module):
  """No encoder: the arrays are features that another program has made."""

  dtype: str

  def __call__(
      self, arrays: Float[Array, 'N P C']
  ) -> Float[Array, 'N P C']:
    return arrays.astype(self.dtype)


ENCODERS: dict[str, type[nn.Module]] = {'features': Features}


@dataclasses.dataclass(frozen=True)
class ArrayEncoderConfig:
  """What is read in the place of pictures, and what encodes it."""

  encoder: str  # a name of ENCODERS, or 'my.module:Encoder'
  positions: int  # P of each frame
  channels: int  # C: numbers of each position

  @property
  def size(self) -> ArraySize:
    """Of a frame."""
    return ArraySize(self.positions, self.channels)

  def build(self, dtype: str) -> nn.Module:
    """The encoder as a module.

    Raises:
      UserError: there is none of this name, or its module is not imported.
    """
    if self.encoder in ENCODERS:
      return ENCODERS[self.encoder](dtype)
    module, is_own, name = self.encoder.partition(':')
    if not is_own:
      raise UserError(
          f'unknown encoder {self.encoder!r} of arrays: there are '
          f'{", ".join(ENCODERS)}, and your own as my.module:Encoder'
      )
    if module not in sys.modules:
      raise UserError(
          f'the encoder of this model is {self.encoder}, and a model may not '
          f'choose what is imported: if you trust {module}, write import '
          f'{module} (in Python, or in the gin file), or flamingo '
          f'--import={module} before the command'
      )
    found = getattr(sys.modules[module], name, None)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
      raise UserError(
          f'{self.encoder} is not an encoder: {module} has to have a class '
          f'{name} of flax.linen modules'
      )
    return found(dtype)
