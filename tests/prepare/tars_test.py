# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tar files that are damaged where tarfile itself would see their end."""

import gzip
import tarfile

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
