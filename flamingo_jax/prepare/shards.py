# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From units that are done to shards, each by itself, in the input's order."""

from collections.abc import Iterator, Sequence
import dataclasses
import itertools
import json
import os
import pathlib

import numpy as np

from flamingo_jax.data import records
from flamingo_jax.data.documents import Document
from flamingo_jax.prepare import duplicates
from flamingo_jax.prepare import spool


@dataclasses.dataclass(frozen=True)
class Layout:
  """Which documents of which units are in which shard."""

  directory: pathlib.Path  # where the shards are
  working: pathlib.Path  # where the units are
  # How many documents of each unit there are in the shards.
  sizes: Sequence[int]
  shards: int  # how many there are
  deduplicate: bool  # whether each unit has a verdict

  def is_done(self, shard: int) -> bool:
    """Whether a shard has been written."""
    return self._note(shard).exists()

  def read(self, shard: int) -> records.Shard:
    """What is known of a shard that is done."""
    note = self._note(shard)
    facts = json.loads(note.read_text(encoding='utf-8'))
    index = np.load(note.with_suffix('.npy'))
    return records.Shard(facts['entry'], index, facts['kinds'])

  def write(self, shard: int) -> None:
    """Writes a shard."""
    note = self._note(shard)
    draft = self.working / spool.draft_name(note.stem)
    written = records.write_shard(self._documents(shard), draft)
    entry = written.entry | {'file': note.stem}
    os.replace(draft, self.directory / note.stem)
    np.save(note.with_suffix('.npy'), written.index)
    spool.write_atomically(
        note, json.dumps({'entry': entry, 'kinds': written.kinds})
    )

  def _note(self, shard: int) -> pathlib.Path:
    name = records.shard_name(self.directory.name, shard, self.shards)
    return self.working / f'{name}.json'

  def _documents(self, shard: int) -> Iterator[Document]:
    ends = np.cumsum(self.sizes)
    begin, end = records.shard_range(int(ends[-1]), shard, self.shards)
    unit = int(np.searchsorted(ends, begin, side='right'))
    skipped = begin - int(ends[unit]) + self.sizes[unit]
    entries = itertools.chain.from_iterable(
        map(self._entries, range(unit, len(self.sizes)))
    )
    mine = itertools.islice(entries, skipped, skipped + end - begin)
    for place, entry in enumerate(mine, begin):
      yield entry.document(place)

  def _entries(self, unit: int) -> Iterator[spool.Entry]:
    entries = spool.read_entries(self.working, unit)
    if self.deduplicate:
      entries = duplicates.read_verdict(self.working, unit).apply(entries)
    return entries
