# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Files of torch.save, without torch: .pt, .pth and .bin.

Such a file is a zip of a pickle, which names storages and how tensors lie in
them, and of the storages, which are not compressed and are mapped here.
"""

import collections
from collections.abc import Sequence
import functools
import io
import pathlib
import pickle
import struct
from typing import Any
import zipfile

import ml_dtypes
import numpy as np

from flamingo_jax.convert.hub_folder import Tensors
from flamingo_jax.convert.unpickling import Held, Unpickler, load
from flamingo_jax.errors import UserError

# Storages by their class: safetensors' name of the type, and NumPy's.
_TYPES: dict[str, tuple[str, Any]] = {
    'FloatStorage': ('F32', '<f4'), 'HalfStorage': ('F16', '<f2'),
    'BFloat16Storage': ('BF16', ml_dtypes.bfloat16),
    'DoubleStorage': ('F64', '<f8'), 'LongStorage': ('I64', '<i8'),
    'IntStorage': ('I32', '<i4'), 'ShortStorage': ('I16', '<i2'),
    'CharStorage': ('I8', 'i1'), 'ByteStorage': ('U8', 'u1'),
    'BoolStorage': ('BOOL', '?'),
}
_WHAT = 'a file of torch.save'
_LOCAL_HEADER = 30  # bytes of a zip, before a member's name
# Of what the maker's training saves: the weights, beside the optimizer.
_WEIGHTS = 'model_state_dict'


class _Tensor:
  """In the place of torch's."""

  def __init__(
      self, storage: tuple[str, np.ndarray], offset: int,
      size: tuple[int, ...], stride: tuple[int, ...], *_: Any,
  ):
    """Where it lies in a storage; UnpicklingError if that is too small."""
    self.type, flat = storage
    size, stride = tuple(size), tuple(stride)
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or not all(
        type(x) is int and x >= 0 for x in numbers
    ):
      raise pickle.UnpicklingError('a tensor of it has no shape')
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    if 0 in size:
      self.values = np.empty(size, flat.dtype)
    elif last < len(flat):
      self.values = np.lib.stride_tricks.as_strided(
          flat[offset:], size, [step * flat.itemsize for step in stride],
          writeable=False,
      )
    else:
      raise pickle.UnpicklingError('a tensor of it is larger than its storage')


def _state(path: pathlib.Path) -> Any:
  """What a file holds, of names that are known here."""
  if not zipfile.is_zipfile(path):
    raise pickle.UnpicklingError(
        'it is no zip, as torch writes since version 1.6; load and save it with '
        'a newer torch if it is older'
    )
  with zipfile.ZipFile(path) as archive:
    members = {
        name.partition('/')[2]: member
        for name, member in archive.NameToInfo.items()
    }
    if 'byteorder' in members and archive.read(members['byteorder']) == b'big':
      raise pickle.UnpicklingError('its numbers are big-endian')
    program = archive.read(members['data.pkl'])
  mapped = np.memmap(path, np.uint8, 'r')

  def storage(pid: Any) -> tuple[str, np.ndarray]:
    _, kind, key, _, count = pid
    name, dtype = _TYPES[kind]
    size = count * np.dtype(dtype).itemsize
    member = members[f'data/{key}']
    begin = member.header_offset
    name_size, more = struct.unpack(
        '<HH', mapped[begin + 26 : begin + _LOCAL_HEADER].tobytes()
    )
    begin += _LOCAL_HEADER + name_size + more
    stored = mapped[begin : begin + size]
    if member.compress_type or not len(stored) == size <= member.file_size:
      raise pickle.UnpicklingError(f'its storage {key} is cut or compressed')
    return name, stored.view(dtype)

  return Unpickler(io.BytesIO(program), {
      'collections.OrderedDict': collections.OrderedDict,
      'torch._utils._rebuild_tensor_v2': _Tensor,
      'torch._utils._rebuild_parameter': lambda data, *_: data,
      **{f'torch.{name}': name for name in _TYPES},
  }, storage).load()


class TorchTensors(Tensors):
  """The tensors of a model's files; their bytes come when they are used."""

  def __init__(self, paths: Sequence[pathlib.Path]):
    """Reads the pickles.

    Raises:
      UserError: a file is missing or damaged, would run what is not known here,
        or holds no tensors by name; or two hold the same.
    """
    self._entries, self._unused = {}, {}
    for path in paths:
      if not path.exists():
        raise UserError(f'{path} does not exist; download the whole folder')
      state = load(functools.partial(_state, path), path, _WHAT)
      if isinstance(state, dict) and isinstance(state.get(_WEIGHTS), dict):
        state = state[_WEIGHTS]
      if not isinstance(state, dict) or not state or not all(
          isinstance(name, str) and isinstance(x, _Tensor)
          for name, x in state.items()
      ):
        raise UserError(
            f'{path} holds no tensors by name, as state_dict() of a model gives '
            f'them, nor {_WEIGHTS!r} of such'
        )
      for name, tensor in state.items():
        name = name.removeprefix('module.')  # of DistributedDataParallel
        if name in self._entries:
          raise UserError(
              f'{path} and {self._entries[name].path} both have a tensor '
              f'{name!r}; keep the files of one model alone'
          )
        self._entries[name] = Held(path, tensor.type, tensor.values)
        self._unused[name] = path
