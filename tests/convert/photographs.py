# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Twenty photographs, those that come with scikit-image, lying and standing."""

import numpy as np
from skimage import data

_NAMES = ('astronaut', 'camera', 'chelsea', 'clock', 'coffee', 'coins',
          'hubble_deep_field', 'moon', 'retina', 'rocket')


def photographs():
  """{name: uint8[h w 3]}."""
  found = {}
  for name in _NAMES:
    pixels = getattr(data, name)()
    if pixels.ndim == 2:
      pixels = np.stack([pixels] * 3, axis=-1)
    found[name] = pixels
    # Cut, so that half pixels come up where the middle is cut out.
    found[f'{name}, turned'] = np.ascontiguousarray(
        np.rot90(pixels[:-7, :-30])
    )
  return found
