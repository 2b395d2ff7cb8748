# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A file of answers that holds no answer of another model or to other examples.

  NAME.jsonl<SHARD>            a line per example; there when all of it is
  NAME<SHARD>.made_from.json   what it was made from: the model, how it was asked,
                               and digests of the examples of each part
  NAME<SHARD>.<key>.tmp        the parts so far, by the digest of their examples;
                               <key> is of the model and how it is asked
"""

from collections.abc import Callable, Mapping, Sequence
import hashlib
import json
import sys
from typing import Any

from etils import epath
import jax
from jax.experimental import multihost_utils
import numpy as np

from flamingo_jax.data.storage import write_atomically, writing
from flamingo_jax.evaluation import drafts

_RECORD = {'made_from', 'sha256', 'parts'}


class AnswerFile:
  """Takes parts of a task one after the other; the first process writes."""

  def __init__(self, path: epath.Path, made_from: Mapping[str, Any]):
    """Reads what is there.

    Args:
      path: of the file.
      made_from: all that answers depend on but the examples; for JSON.
    """
    self.path = path
    # A pattern for files of answers finds none of these.
    name = path.name.replace('.jsonl', '')
    self._record = path.with_name(f'{name}.made_from.json')
    self._made_from = json.loads(json.dumps(made_from))
    key = _sha256(json.dumps(made_from, sort_keys=True).encode())
    self._draft = path.with_name(f'{name}.{key[:16]}.tmp')
    self._parts: list[tuple[str, list[str]]] = []  # so far
    self._written = self._read()
    self._known = dict(drafts.read(self._draft)) | dict(self._written)

  def add(
      self, examples: Mapping[str, np.ndarray], answer: Callable[[], list[str]]
  ) -> None:
    """Adds the lines of a part.

    Args:
      examples: of the part, which its lines are known by.
      answer: makes them, if they are not known; called by all processes.
    """
    digest = _digest(examples)
    is_known = multihost_utils.broadcast_one_to_all(
        np.bool_(digest in self._known)
    )
    lines = self._known.get(digest, []) if is_known else answer()
    self._parts.append((digest, lines))
    if not is_known and jax.process_index() == 0:
      with writing(self._draft), self._draft.open('a') as file:
        file.write(json.dumps([digest, lines]) + '\n')

  def finish(self) -> None:
    """Makes the file one that is done, unless it is."""
    if jax.process_index() != 0:
      return
    if not self.path.exists() or self._parts != self._written:
      if self.path.exists():
        print(f'{self.path}: answered again, as it was made from '
              f'{self._difference()}', file=sys.stderr)
      content = _content(self._parts)
      write_atomically(self._record, json.dumps({
          'made_from': self._made_from, 'sha256': _sha256(content),
          'parts': [[digest, len(lines)] for digest, lines in self._parts],
      }, indent=1) + '\n')
      # Until this one is there, the record tells that the old one is another.
      write_atomically(self.path, content)
    self._draft.unlink(missing_ok=True)

  def _read(self) -> list[tuple[str, list[str]]]:
    """The parts of a file that is there, if it was made from the same."""
    record = self._read_record()
    if not self.path.exists() or record.get('made_from') != self._made_from:
      return []
    content = self.path.read_bytes()
    if _sha256(content) != record['sha256']:
      return []
    lines, parts = content.decode().split('\n'), []
    for digest, count in record['parts']:
      parts.append((digest, lines[:count]))
      lines = lines[count:]
    return parts

  def _read_record(self) -> dict[str, Any]:
    try:
      record = json.loads(self._record.read_text(encoding='utf-8'))
    except (FileNotFoundError, ValueError):
      return {}
    is_whole = isinstance(record, dict) and record.keys() == _RECORD
    return record if is_whole else {}

  def _difference(self) -> str:
    """What a file that is there was made from, if not from the same."""
    record = self._read_record()
    if not record:
      return 'what is not known'
    before = record['made_from']
    names = [
        name for name, value in self._made_from.items()
        if before.get(name) != value
    ]
    if names:
      return f'other {", ".join(names)}'
    return 'other examples' if self._written else 'this and then changed'


def _content(parts: Sequence[tuple[str, list[str]]]) -> bytes:
  return ''.join(
      f'{line}\n' for _, lines in parts for line in lines
  ).encode()


def _sha256(content: bytes) -> str:
  return hashlib.sha256(content).hexdigest()


def _digest(examples: Mapping[str, np.ndarray]) -> str:
  """Of all features of examples."""
  digest = hashlib.sha256()
  for name in sorted(examples):
    x = examples[name]
    digest.update(f'{name} {x.dtype} {x.shape} '.encode())
    # Texts are objects.
    digest.update(repr(x.tolist()).encode() if x.dtype == object
                  else np.ascontiguousarray(x))
  return digest.hexdigest()
