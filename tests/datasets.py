# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets as tests read them."""

import json

from flamingo_jax.data import pipeline
from flamingo_jax.data.documents import Document


def numbered(count, parts):
  """Document i has `parts(i)`."""
  return [Document(tuple(parts(i)), f'test:{i}', i) for i in range(count)]


def config(name, lengths, sizes, **changes):
  """A DatasetConfig; for a single task, its lengths and batch size will do."""
  if isinstance(sizes, int):
    lengths, sizes = {name: lengths}, {name: sizes}
  return pipeline.DatasetConfig(**{
      'mixture_or_task_name': name, 'task_feature_lengths': lengths,
      'split': 'train', 'batch_sizes': sizes, 'shuffle': True, 'seed': 0,
  } | changes)


def read(cfg, count, host=0, hosts=1, **options):
  """The first batches of a host."""
  dataset = pipeline.get_dataset(cfg, host, hosts, **options)
  with pipeline.reading_errors():
    return list(dataset.take(count).as_numpy_iterator())


def write_jsonl(path, *documents):
  """A file of documents, each a list of parts; returns its path."""
  lines = (json.dumps({'parts': parts}) + '\n' for parts in documents)
  path.write_text(''.join(lines), encoding='utf-8')
  return path
