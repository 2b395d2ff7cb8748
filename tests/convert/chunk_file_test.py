# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Matrices in files: every value, in C order, whatever blocks they come in."""

import errno
import os
import zlib

import ml_dtypes
import numpy as np
import pytest

from flamingo_jax.convert import chunk_file

BF16 = ml_dtypes.bfloat16


@pytest.fixture(params=['one block', 'many blocks'])
def blocks(request, monkeypatch):
  if request.param == 'many blocks':
    monkeypatch.setattr(chunk_file, '_BLOCK', 2**13)
    monkeypatch.setattr(chunk_file, '_CACHED', 2**10)


@pytest.mark.usefixtures('blocks')
@pytest.mark.parametrize('dtype, stored', [
    (np.float16, np.float32), (BF16, BF16), (np.float32, BF16),
])
@pytest.mark.parametrize('shape', [
    (5, 7), (700, 33), (64, 2048), (3000, 1), (1, 3000), (9, 4, 50), (6,), (),
])
def test_a_file_is_the_bytes_of_an_array(tmp_path, shape, dtype, stored):
  values = np.random.default_rng(0).normal(size=shape).astype(dtype)
  buffers, stored = chunk_file.Buffers(), np.dtype(stored)
  for number, x in enumerate((values, values.T, np.swapaxes(values, 0, -1)[::-1])
                             if values.ndim > 1 else (values,)):
    path = tmp_path / str(number)
    checksum = chunk_file.write(path, chunk_file.matrix(x), stored, buffers)
    expected = x.astype(stored).tobytes()
    assert path.read_bytes() == expected
    assert checksum == zlib.crc32(expected)


def test_no_file_is_written_over(tmp_path):
  (tmp_path / 'a').write_bytes(b'')
  with pytest.raises(FileExistsError):
    chunk_file.write(
        tmp_path / 'a', chunk_file.matrix(np.ones((2, 2), BF16)),
        np.dtype(BF16), chunk_file.Buffers(),
    )


def test_a_file_system_that_has_a_cache_alone(tmp_path, monkeypatch):
  """Some refuse O_DIRECT when a file is opened, others when it is written."""
  opened = os.open

  def refusing(path, flags, mode):
    if flags & os.O_DIRECT:
      raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    return opened(path, flags, mode)

  monkeypatch.setattr(os, 'open', refusing)
  x = np.arange(9000, dtype=np.float32).reshape(30, 300)
  chunk_file.write(
      tmp_path / 'a', chunk_file.matrix(x), x.dtype, chunk_file.Buffers()
  )
  assert (tmp_path / 'a').read_bytes() == x.tobytes()
