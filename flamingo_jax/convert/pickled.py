# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of haiku, pickled, as DeepMind published those of NFNets."""

from collections.abc import Callable
import pathlib
from typing import Any

import numpy as np

from flamingo_jax.convert.entries import Held
from flamingo_jax.convert.hub_folder import Tensors
from flamingo_jax.convert.unpickling import Unpickler, find, load
from flamingo_jax.errors import UserError

_TYPES = {'f4': 'F32', 'f2': 'F16'}  # NumPy's names and safetensors'


class _Dtype:
  """In the place of NumPy's, whose state a pickle could change for all."""

  def __init__(self, name: str, *_: Any):
    self.name, self.order = name, '='

  def __setstate__(self, state: tuple[Any, ...]):
    self.order = state[1]


class _Array:
  """In the place of NumPy's, made of bytes as NumPy pickles them."""

  values = np.zeros(0)

  def __init__(self, *_: Any):
    """Of arguments that do not matter, as the state follows."""
    self.type = ''

  def __setstate__(self, state: tuple[Any, ...]):
    _, shape, dtype, is_fortran, raw = state
    self.type = dtype.name
    if self.type in _TYPES:
      flat = np.frombuffer(raw, dtype.order.replace('|', '=') + self.type)
      self.values = flat.reshape(shape, order='F' if is_fortran else 'C')


def _from_buffer(
    raw: bytes | bytearray, dtype: _Dtype, shape: tuple[int, ...], order: str
) -> _Array:
  """An array, as protocol 5 writes them."""
  array = _Array()
  array.__setstate__((1, shape, dtype, order == 'F', raw))
  return array


def _scalar(dtype: _Dtype, raw: bytes) -> _Array:
  return _from_buffer(raw, dtype, (), 'C')


def _latin(text: str, _: str) -> bytes:
  """Bytes, as protocols before 3 write them."""
  return text.encode('latin1')


def _from_state(
    make: Callable[..., _Array], args: tuple[Any, ...], state: tuple[Any, ...],
    _: None = None,
) -> _Array:
  """An array, as dill writes them."""
  array = make(*args)
  array.__setstate__(state)
  return array


def _known(module: str, name: str) -> Callable[..., Any]:
  """As `find`, of a name that a pickle asks for in two steps."""
  return find(_KNOWN, module, name)


# All that such a pickle may ask for: of haiku, of dill, and of NumPy 1 and 2.
_KNOWN: dict[str, Callable[..., Any]] = {
    '_codecs.encode': _latin, 'numpy.ndarray': _Array, 'numpy.dtype': _Dtype,
    'dill._dill._create_array': _from_state,
    # Old versions have names in two steps; the module of the first is its name.
    'dill._dill._import_module': lambda module: module,
    'dill._dill._get_attr': _known,
    **{
        f'haiku._src.data_structures.{name}': lambda values: dict(values)
        for name in ('FlatMapping', 'FlatMap', 'frozendict')
    },
    **{
        f'numpy.{core}.{name}': make for core in ('core', '_core')
        for name, make in (
            ('multiarray._reconstruct', _Array), ('multiarray.scalar', _scalar),
            ('_multiarray_umath._reconstruct', _Array),
            ('_multiarray_umath.scalar', _scalar),
            ('numeric._frombuffer', _from_buffer),
        )
    },
}


class PickledTensors(Tensors):
  """The parameters of a pickled tree, by 'module/name'; all are in memory."""

  def __init__(self, path: pathlib.Path):
    """Reads the file.

    Raises:
      UserError: it is no such tree, or would run what is not known here.
    """
    def unpickle() -> Any:
      with open(path, 'rb') as file:
        return Unpickler(file, _KNOWN).load()

    tree = load(unpickle, path, 'pickled parameters of haiku')
    self._entries, self._unused = {}, {}
    for module, parameters in _items(tree, path):
      for name, values in _items(parameters, path):
        if not isinstance(values, _Array):
          raise UserError(f'{path}: {module}/{name} is not an array')
        self._entries[f'{module}/{name}'] = Held(
            path, _TYPES.get(values.type, values.type), values.values
        )
    self._unused = dict.fromkeys(self._entries, path)


def _items(tree: Any, path: pathlib.Path) -> list[tuple[str, Any]]:
  if not isinstance(tree, dict) or not all(isinstance(x, str) for x in tree):
    raise UserError(
        f'{path} holds no parameters of haiku, which are dicts of modules, of '
        'dicts of arrays'
    )
  return list(tree.items())
