# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Records of TFRecord files as {feature: values}."""

from collections.abc import Iterator
from typing import Any

from flamingo_jax.prepare.source import Item

ENDINGS = ('.tfrecord', '.tfrecords')


def read_examples(path: str) -> Iterator[Item]:
  """The examples of a file, each feature a list.

  Raises:
    Exception: a checksum is wrong, or the file is cut short.
  """
  from flamingo_jax.data import quiet_tensorflow

  quiet_tensorflow.load()
  import tensorflow as tf  # in workers that need it alone

  records = tf.data.TFRecordDataset(path).as_numpy_iterator()
  for number, record in enumerate(records):
    example = tf.train.Example.FromString(record)
    value = {
        name: _values(feature)
        for name, feature in example.features.feature.items()
    }
    yield Item(f'{path}, record {number}', value)


def _values(feature: Any) -> list[Any]:
  kind = feature.WhichOneof('kind')
  return list(getattr(feature, kind).value) if kind else []
