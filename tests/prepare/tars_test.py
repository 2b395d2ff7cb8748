# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Samples of tar files, some damaged where tarfile would see their end."""

import gzip
import io
import pathlib
import tarfile
import time

import pytest

from flamingo_jax.prepare import tars
from flamingo_jax.prepare.source import Dropped
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


def write(path, *members):
  """A tar of (name, content)."""
  with tarfile.open(path, 'w') as archive:
    for name, data in members:
      member = tarfile.TarInfo(name)
      member.size = len(data)
      archive.addfile(member, io.BytesIO(data))
  return str(path)


def read(*arguments):
  """Samples by their place, and the reasons of what was dropped."""
  found, reasons = {}, []
  for item in tars.read_samples(write(*arguments)):
    if isinstance(item, Dropped):
      reasons.append(item.reason)
    else:
      found.setdefault(item.place.rpartition(':')[2], []).append(item.value)
  return found, reasons


def test_a_picture_never_gets_the_text_of_another(tmp_path):
  found, reasons = read(
      tmp_path / 'a.tar',
      ('a/1.png', b'A'), ('a/1.txt', b'a'),
      ('b/1.png', b'B'), ('b/1.txt', b'b'),
      # One name twice: in a row, in another writing, and later.
      ('2.png', b'C'), ('2.txt', b'c'), ('2.png', b'D'), ('2.txt', b'd'),
      ('3.png', b'E'), ('3.PNG', b'F'), ('3.txt', b'e'),
      ('a/1.png', b'G'),
  )
  assert found == {
      'a/1': [{'png': b'A', 'txt': b'a'}, {'png': b'G'}],
      'b/1': [{'png': b'B', 'txt': b'b'}],
  }
  assert reasons == ['field of a sample comes twice'] * 2


def test_hidden_files_do_not_separate_a_sample(tmp_path):
  found, reasons = read(
      tmp_path / 'a.tar',
      ('x/1.png', b'A'), ('x/._1.txt', b'?'), ('.DS_Store', b'?'),
      ('x/README', b'?'), ('x/1.txt', b'a'), ('x.y/.1.png', b'?'),
  )
  assert found == {'x/1': [{'png': b'A', 'txt': b'a'}]}
  assert reasons == ['member of a tar has no ending']


@pytest.mark.parametrize('compress', [False, True])
def test_tars_that_were_appended_are_read_and_other_data_are_told(
    tmp_path, compress
):
  parts = [('1.png', b'A'), ('1.txt', b'a')], [('1.png', b'B'), ('2.png', b'C')]
  both = b''.join(
      pathlib.Path(write(tmp_path / 'part.tar', *part)).read_bytes()
      for part in parts
  )
  pack = gzip.compress if compress else bytes
  path = tmp_path / 'a.tar'
  path.write_bytes(pack(both))
  assert [item.value for item in tars.read_samples(str(path))] == [
      {'png': b'A', 'txt': b'a'}, {'png': b'B'}, {'png': b'C'}
  ]
  path.write_bytes(pack(both + b'<html>'.ljust(1000)))
  samples = tars.read_samples(str(path))
  assert [next(samples).value for _ in range(3)][-1] == {'png': b'C'}
  with pytest.raises(tarfile.ReadError):
    next(samples)


@pytest.mark.parametrize('kind', [tarfile.LNKTYPE, tarfile.SYMTYPE])
def test_links_in_a_tar_are_counted(tmp_path, kind):
  path = write(tmp_path / 'a.tar', ('1.png', b'A'), ('1.txt', b'a'))
  with tarfile.open(path, 'a') as archive:
    for name in ('2.png', '2.txt'):
      member = tarfile.TarInfo(name)
      member.type, member.linkname = kind, '1.png'
      archive.addfile(member)
  *others, sample = tars.read_samples(path)
  assert sample.value == {'png': b'A', 'txt': b'a'}
  assert [drop.detail for drop in others] == [f'{path}:2.png', f'{path}:2.txt']
