# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tar files that are damaged where tarfile itself would see their end."""

import gzip
import tarfile
import time

import pytest

from flamingo_jax.prepare import tars
from tests.prepare import exporters

SECOND = b'000000001.txt'


@pytest.mark.parametrize('compress', [False, True])
@pytest.mark.parametrize('harm', [
    lambda data: data[: data.index(SECOND)],
    lambda data: data[: data.index(SECOND) + 100],
    lambda data: data.replace(SECOND, b'x' * len(SECOND)),
])
def test_a_tar_that_is_damaged_says_so_after_its_good_samples(
    tmp_path, harm, compress
):
  path = tmp_path / 'a.tar'
  exporters.write_tar(path, [{'txt': b'one'}, {'txt': b'two'}])
  whole = path.read_bytes()
  pack = gzip.compress if compress else bytes
  path.write_bytes(pack(whole))
  assert [item.value for item in tars.read_samples(str(path))] == [
      {'txt': b'one'}, {'txt': b'two'}
  ]
  path.write_bytes(pack(harm(whole)))
  samples = tars.read_samples(str(path))
  with pytest.raises(tarfile.ReadError):
    found = []
    while True:
      found.append(next(samples).value)
  assert not found


@pytest.mark.parametrize('compress', [False, True])
def test_a_member_that_claims_a_terabyte_takes_no_time(tmp_path, compress):
  path = tmp_path / 'a.tar'
  exporters.write_tar(path, [{'txt': b'one'}, {'txt': b'two'}])
  huge = tarfile.TarInfo('huge.png')
  huge.size = 2**40
  end = tarfile.BLOCKSIZE * 2
  data = path.read_bytes()
  begin = data.index(SECOND)
  data = data[: begin + end] + huge.tobuf(tarfile.GNU_FORMAT) + bytes(end)
  path.write_bytes((gzip.compress if compress else bytes)(data))
  before = time.process_time()
  samples = tars.read_samples(str(path))
  assert [next(samples).value for _ in range(2)] == [
      {'txt': b'one'}, {'txt': b'two'}
  ]
  assert next(samples).reason == 'member of a tar is too large'
  with pytest.raises((tarfile.ReadError, EOFError)):
    next(samples)
  assert time.process_time() - before < 2  # a minute where it is read to skip
