# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Files as torch.save writes them, for tests without torch."""

import collections
import io
import pickle
import sys
import types
from unittest import mock
import zipfile

import ml_dtypes
import numpy as np

_STORAGES = {
    np.dtype(np.float32): 'FloatStorage', np.dtype(np.float16): 'HalfStorage',
    np.dtype(ml_dtypes.bfloat16): 'BFloat16Storage',
    np.dtype(bool): 'BoolStorage', np.dtype(np.int64): 'LongStorage',
}


def _rebuild_tensor_v2():
  """Of torch, to be named."""


_rebuild_tensor_v2.__module__ = 'torch._utils'
_MODULES = {'torch': types.ModuleType('torch'),
            'torch._utils': types.ModuleType('torch._utils')}
_MODULES['torch._utils']._rebuild_tensor_v2 = _rebuild_tensor_v2
for _name in _STORAGES.values():
  setattr(_MODULES['torch'], _name, type(_name, (), {'__module__': 'torch'}))


class _Storage:

  def __init__(self, key, values):
    self.key, self.values = key, values


class _Tensor:

  def __init__(self, storage, shape, stride, offset):
    self.arguments = storage, offset, shape, stride, False, {}

  def __reduce__(self):
    return _rebuild_tensor_v2, self.arguments


class _Pickler(pickle.Pickler):

  def persistent_id(self, obj):
    if not isinstance(obj, _Storage):
      return None
    kind = getattr(_MODULES['torch'], _STORAGES[obj.values.dtype])
    return 'storage', kind, str(obj.key), 'cpu', obj.values.size


def save(path, tensors, wrap=lambda state: state, strides=None, evil=()):
  """Writes tensors by name; `wrap` may put them in something else.

  Args:
    path: of the file.
    tensors: arrays by name.
    wrap: makes what is pickled.
    strides: of some, by name, which then lie otherwise than they claim.
    evil: further objects that are pickled beside them.
  """
  state, storages = collections.OrderedDict(), []
  for key, (name, x) in enumerate(tensors.items()):
    x = np.ascontiguousarray(x)
    stride = tuple(step // x.itemsize for step in x.strides)
    stride = (strides or {}).get(name, stride)
    storages.append(x)
    state[name] = _Tensor(_Storage(key, x.reshape(-1)), x.shape, stride, 0)
  for number, value in enumerate(evil):
    state[f'evil.{number}'] = value
  program = io.BytesIO()
  with mock.patch.dict(sys.modules, _MODULES):
    _Pickler(program, 2).dump(wrap(state))
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('archive/data.pkl', program.getvalue())
    archive.writestr('archive/byteorder', b'little')
    for key, x in enumerate(storages):
      archive.writestr(f'archive/data/{key}', x.tobytes())
