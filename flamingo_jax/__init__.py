# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Flamingo, a visual language model for few-shot learning, in JAX and Flax.

  import flamingo_jax as fj
  model = fj.load('MODEL_DIR')
  model.generate([fj.image('a.jpg'), 'Output:'])
"""

import importlib

__version__ = '0.1.0'

# Where the names of the Python API live. They are imported when asked for, so
# that `import flamingo_jax.models` needs no more than the model does.
_EXPORTS = {
    'load': 'flamingo_jax.predictor',
    'Predictor': 'flamingo_jax.predictor',
    'image': 'flamingo_jax.data.media',
    'video': 'flamingo_jax.data.media',
    'features': 'flamingo_jax.data.media',
    'Dialogue': 'flamingo_jax.data.dialogue',
    'END_OF_CHUNK': 'flamingo_jax.data.documents',
    'UserError': 'flamingo_jax.errors',
}

__all__ = ['__version__', *_EXPORTS]


def __getattr__(name: str) -> object:
  if name not in _EXPORTS:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
  return sorted({*globals(), *__all__})
