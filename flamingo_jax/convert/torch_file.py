# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Files of torch.save, without torch: .pt, .pth and .bin.

Such a file is a zip of a pickle, which names storages and how tensors lie in
them, and of the storages, which are not compressed.
"""

import collections
from collections.abc import Mapping, Sequence
import functools
import io
import math
import os
import pathlib
import pickle
import struct
from typing import Any, BinaryIO, NamedTuple
import zipfile

from flamingo_jax.convert.entries import Entry
from flamingo_jax.convert.hub_folder import Tensors
from flamingo_jax.convert.unpickling import Unpickler, load
from flamingo_jax.errors import UserError

# Storages by their class, as safetensors calls the type.
_TYPES = {
    'FloatStorage': 'F32', 'HalfStorage': 'F16', 'BFloat16Storage': 'BF16',
    'DoubleStorage': 'F64', 'LongStorage': 'I64', 'IntStorage': 'I32',
    'ShortStorage': 'I16', 'CharStorage': 'I8', 'ByteStorage': 'U8',
    'BoolStorage': 'BOOL',
}
# Bytes of a value.
_ITEM_SIZES = {
    'F64': 8, 'I64': 8, 'F32': 4, 'I32': 4, 'F16': 2, 'BF16': 2, 'I16': 2,
    'I8': 1, 'U8': 1, 'BOOL': 1,
}
_WHAT = 'a file of torch.save'
# Of a zip, before a member's name: bytes, and the first that say sizes.
_LOCAL_HEADER, _SIZES_IN_HEADER = 30, 26
# Of what the maker's training saves: the weights, beside the optimizer.
_WEIGHTS = 'model_state_dict'


class _Storage(NamedTuple):
  """Where values lie, one behind the other."""

  path: pathlib.Path
  type: str  # as safetensors calls it
  begin: int  # byte of the file
  count: int  # values


def _tensor(
    storage: _Storage, offset: int, size: tuple[int, ...],
    stride: tuple[int, ...], *_: Any,
) -> Entry:
  """In the place of torch's; UnpicklingError if its storage is too small."""
  size, stride = tuple(size), tuple(stride)
  numbers = (offset, *size, *stride)
  if len(size) != len(stride) or not all(
      type(x) is int and x >= 0 for x in numbers
  ):
    raise pickle.UnpicklingError('a tensor of it has no shape')
  in_order = tuple(math.prod(size[axis + 1 :]) for axis in range(len(size)))
  found = Entry(
      storage.path, storage.type, size,
      storage.begin + offset * _ITEM_SIZES[storage.type],
      None if stride == in_order else stride,
  )
  if offset + found.span > storage.count:
    raise pickle.UnpicklingError('a tensor of it is larger than its storage')
  return found


def _state(path: pathlib.Path) -> Any:
  """What a file holds, of names that are known here."""
  if not zipfile.is_zipfile(path):
    raise pickle.UnpicklingError(
        'it is not a zip file, as torch writes since version 1.6; if it is older, '
        'load and save it with a newer torch'
    )
  with open(path, 'rb') as file, zipfile.ZipFile(file) as archive:
    members = {
        name.partition('/')[2]: member
        for name, member in archive.NameToInfo.items()
    }
    if 'byteorder' in members and archive.read(members['byteorder']) == b'big':
      raise pickle.UnpicklingError('its numbers are big-endian')
    return Unpickler(io.BytesIO(archive.read(members['data.pkl'])), {
        'collections.OrderedDict': collections.OrderedDict,
        'torch._utils._rebuild_tensor_v2': _tensor,
        'torch._utils._rebuild_parameter': lambda data, *_: data,
        **{f'torch.{name}': name for name in _TYPES},
    }, lambda pid: _storage(path, file, members, pid)).load()


def _storage(
    path: pathlib.Path, file: BinaryIO, members: Mapping[str, zipfile.ZipInfo],
    pid: Any,
) -> _Storage:
  """What a pickle names; UnpicklingError if it cannot be read."""
  _, kind, key, _, count = pid
  member = members[f'data/{key}']
  begin, size = member.header_offset, count * _ITEM_SIZES[_TYPES[kind]]
  file.seek(begin + _SIZES_IN_HEADER)
  name_size, more = struct.unpack('<HH', file.read(4))
  begin += _LOCAL_HEADER + name_size + more
  if member.compress_type or size > member.file_size or (
      begin + size > os.fstat(file.fileno()).st_size
  ):
    raise pickle.UnpicklingError(f'its storage {key} is cut or compressed')
  return _Storage(path, _TYPES[kind], begin, count)


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
          isinstance(name, str) and isinstance(x, Entry)
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
        self._entries[name] = tensor
        self._unused[name] = path
