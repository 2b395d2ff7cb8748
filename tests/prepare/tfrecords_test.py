# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""TFRecord files whose records claim to be longer than they are."""

import struct

import pytest

from flamingo_jax.prepare import tfrecords
from flamingo_jax.prepare.source import Dropped
from tests.prepare import exporters


def _crc32c(data):
  crc = 0xFFFFFFFF
  for byte in data:
    crc ^= byte
    for _ in range(8):
      crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
  return crc ^ 0xFFFFFFFF


def _header(length):
  """As TensorFlow writes it: the checksum of the length is right."""
  data = struct.pack('<Q', length)
  crc = _crc32c(data)
  return data + struct.pack(
      '<I', ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@pytest.fixture
def path(tmp_path):
  exporters.img2dataset_tfrecord([(b'a', 'x'), (b'bb', 'y')], tmp_path / 'in')
  return tmp_path / 'in' / '00000.tfrecord'


def test_a_header_is_what_tensorflow_writes(path):
  data = path.read_bytes()
  length, = struct.unpack_from('<Q', data)
  assert data[:12] == _header(length)


@pytest.mark.parametrize('length', [2**30 + 1, 2**40, 2**62, 2**64 - 1])
def test_a_length_is_not_believed(path, length):
  path.write_bytes(path.read_bytes() + _header(length) + b'abc')
  examples = tfrecords.read_examples(str(path))
  assert [next(examples).value['caption'] for _ in range(2)] == [[b'x'], [b'y']]
  with pytest.raises(Dropped) as told:
    next(examples)
  assert str(path) in told.value.detail
  assert f'record 2 claims {length:,} bytes' in told.value.detail


def test_what_is_before_the_cut_is_read(path):
  path.write_bytes(path.read_bytes()[:-1])
  examples = tfrecords.read_examples(str(path))
  assert next(examples).value['png'] == [b'a']
  with pytest.raises(Dropped, match='file is corrupt'):
    next(examples)
