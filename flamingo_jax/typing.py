# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Array types and Example, the one contract between data and model.

Dimensions are single letters with one meaning everywhere: B batch, L text
length, S key length, M media per example, T frames, P features per frame,
R latents, D width, Dv vision width, H heads, K head size, F mlp, V vocabulary,
G groups, h w pixels, C channels of an array.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

import jax
import jaxtyping
import numpy as np

Array = jax.Array
Bool = jaxtyping.Bool
Float = jaxtyping.Float
Int = jaxtyping.Int
Int8 = jaxtyping.Int8
UInt8 = jaxtyping.UInt8

# A nested dict of arrays: parameters, gradients, optimizer moments.
Tree = Mapping[str, Any]

# RGB statistics of NFNet's preprocessing, for pixels in [0, 1]. Pictures are
# padded with the mean (Flamingo B.1.2) and normalised on the device.
IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)


class Example(TypedDict):
  """One training example as numpy arrays; a batch stacks them.

  A medium is an image (T = 1) or a video; text position l sees the medium
  `media[media_index[l] - 1]`, or none where the index is 0.
  """

  tokens: np.ndarray  # int32[L]
  targets: np.ndarray  # int32[L], tokens shifted by one
  loss_weights: np.ndarray  # float32[L], 0 on padding
  media_index: np.ndarray  # int32[L], 0 = no medium
  media: np.ndarray  # uint8[M T h w 3], or float32[M T P C] of arrays
  media_mask: np.ndarray  # bool[M T], False on padding
  example_id: np.ndarray  # int32[], place in its source
