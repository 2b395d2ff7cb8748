# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Writes files as torch.save does, without torch; torch_file.py reads them.

The pickle is written opcode by opcode: it names torch's classes, which are not
here to be pickled.
"""

from collections.abc import Iterator, Mapping
import math
import os
import pathlib
import pickle
import struct
import zipfile

import ml_dtypes
import numpy as np

from flamingo_jax.convert.safetensors_files import in_order

_STORAGES = {
    np.dtype(np.float32): 'FloatStorage', np.dtype(np.float16): 'HalfStorage',
    np.dtype(ml_dtypes.bfloat16): 'BFloat16Storage',
}
_ROOT = 'checkpoint'  # the folder in the zip
_ALIGNMENT = 64  # bytes, at which values begin, so that torch can map them
_HEADER, _ZIP64 = 30, 20  # bytes of a member's header and of what says its size


class TorchFile:
  """A state dict; tensors are written in any order, each once."""

  def __init__(
      self, path: pathlib.Path,
      tensors: Mapping[str, tuple[np.dtype, tuple[int, ...]]],
  ):
    """A new file; `tensors` has dtype and shape of each by name."""
    self._tensors = dict(tensors)
    self._keys = {name: str(i) for i, name in enumerate(tensors)}
    self._file = open(path, 'xb')
    self._archive = zipfile.ZipFile(self._file, 'w')

  def write(self, name: str, values: np.ndarray) -> None:
    """A tensor."""
    dtype, _ = self._tensors[name]
    self._member(f'data/{self._keys[name]}', in_order(values, dtype))

  def finish(self) -> None:
    """All of it is on the disk."""
    self._member('data.pkl', [b''.join(_program(self._tensors, self._keys))])
    self._member('byteorder', [b'little'])
    self._member('version', [b'3\n'])
    self._archive.close()
    self._file.flush()
    os.fsync(self._file.fileno())
    self._file.close()

  def _member(self, name: str, pieces) -> None:
    """Of the zip, not compressed."""
    info = zipfile.ZipInfo(f'{_ROOT}/{name}')
    begin = self._file.tell() + _HEADER + len(info.filename) + _ZIP64 + 4
    padding = -begin % _ALIGNMENT
    info.extra = struct.pack('<2sH', b'FB', padding) + b'Z' * padding
    with self._archive.open(info, 'w', force_zip64=True) as member:
      for piece in pieces:
        member.write(piece)


def _program(
    tensors: Mapping[str, tuple[np.dtype, tuple[int, ...]]],
    keys: Mapping[str, str],
) -> Iterator[bytes]:
  """A pickle of protocol 2: an OrderedDict of tensors."""
  empty = _global('collections', 'OrderedDict') + pickle.EMPTY_TUPLE + pickle.REDUCE
  yield pickle.PROTO + b'\x02' + empty + pickle.MARK
  for name, (dtype, shape) in tensors.items():
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    yield b''.join((
        _text(name), _global('torch._utils', '_rebuild_tensor_v2'), pickle.MARK,
        pickle.MARK, _text('storage'), _global('torch', _STORAGES[dtype]),
        _text(keys[name]), _text('cpu'), _number(math.prod(shape)), pickle.TUPLE,
        pickle.BINPERSID, _number(0), _numbers(shape), _numbers(strides),
        pickle.NEWFALSE, empty, pickle.TUPLE, pickle.REDUCE,
    ))
  yield pickle.SETITEMS + pickle.STOP


def _global(module: str, name: str) -> bytes:
  return pickle.GLOBAL + f'{module}\n{name}\n'.encode()


def _text(text: str) -> bytes:
  data = text.encode()
  return pickle.BINUNICODE + struct.pack('<I', len(data)) + data


def _number(number: int) -> bytes:
  if number < 2**31:
    return pickle.BININT + struct.pack('<i', number)
  return pickle.LONG1 + b'\x08' + struct.pack('<q', number)


def _numbers(numbers) -> bytes:
  return pickle.MARK + b''.join(map(_number, numbers)) + pickle.TUPLE
