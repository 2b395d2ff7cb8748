# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Folders as `flamingo prepare` makes them, of documents that are at hand."""

from flamingo_jax.data import records


def write_shards(documents, folder, shards=1):
  """Writes documents into a new folder; returns it."""
  folder.mkdir(parents=True)
  written = []
  for shard in range(shards):
    begin, end = records.shard_range(len(documents), shard, shards)
    path = folder / records.shard_name(folder.name, shard, shards)
    written.append(records.write_shard(documents[begin:end], path))
  records.write_manifest(folder, written, {})
  return folder
