# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Records of TFRecord files as {feature: values}."""

from collections.abc import Iterator
import os
import struct
from typing import Any

from flamingo_jax.prepare.source import Dropped, Item

ENDINGS = ('.tfrecord', '.tfrecords')
_LENGTH = struct.Struct('<Q')
_HEADER, _FOOTER = 12, 4  # bytes: the length and its checksum; a checksum
_LARGEST = 2**30  # bytes of a record


def read_examples(path: str) -> Iterator[Item]:
  """The examples of a file, each feature a list.

  Raises:
    Dropped: a record is longer than the file, or than memory should hold.
    Exception: a checksum is wrong.
  """
  from flamingo_jax.data import quiet_tensorflow

  quiet_tensorflow.load()
  import tensorflow as tf  # in workers that need it alone

  # TensorFlow allocates whatever length a record claims, and may crash.
  whole, damage = _whole_records(path)
  records = tf.data.TFRecordDataset(path).take(whole).as_numpy_iterator()
  for number, record in enumerate(records):
    example = tf.train.Example.FromString(record)
    value = {
        name: _values(feature)
        for name, feature in example.features.feature.items()
    }
    yield Item(f'{path}, record {number}', value)
  if damage:
    raise Dropped('file is corrupt', damage)


def _whole_records(path: str) -> tuple[int, str]:
  """How many records are whole by their lengths, and what the next one lacks."""
  size, number, place = os.path.getsize(path), 0, 0
  with open(path, 'rb') as file:
    while place < size:
      file.seek(place)
      header = file.read(_HEADER)
      if len(header) < _HEADER:
        return number, f'{path} ends within record {number}'
      length, = _LENGTH.unpack_from(header)
      place += _HEADER + length + _FOOTER
      if place > size or length > _LARGEST:
        return number, (
            f'{path}, record {number} claims {length:,} bytes, of a file of '
            f'{size:,}'
        )
      number += 1
  return number, ''


def _values(feature: Any) -> list[Any]:
  kind = feature.WhichOneof('kind')
  return list(getattr(feature, kind).value) if kind else []
