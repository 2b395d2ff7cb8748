# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Everything about a data set that is better known before training."""

import collections
from collections.abc import Collection, Iterator, Mapping
import dataclasses
import hashlib
import os

import numpy as np

from flamingo_jax import progress
from flamingo_jax.data import documents
from flamingo_jax.data import interleaved
from flamingo_jax.data import media as media_reader
from flamingo_jax.data.misfits import Misfits
from flamingo_jax.data.storage import write_atomically
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError, shown
from flamingo_jax.picture_size import ArraySize
from flamingo_jax.prepare import preview

_SAMPLES = 20
_HISTOGRAM = 8  # numbers of media that are told
_KEYS_TOLD = 8
_SHORT = 16  # tokens, of the first bin of lengths


@dataclasses.dataclass
class Report:
  """What a data set holds; printing it gives a table."""

  path: str  # the JSONL file, or the folder that `flamingo prepare` has made
  misfits: Misfits  # documents that an example of the run cannot hold
  documents: int = 0  # good ones; the counts below are about these
  images: int = 0  # in all documents, counted as often as they occur
  videos: int = 0  # likewise
  features: int = 0  # likewise
  frames: int = 0  # of the longest of these
  frame_sizes: set[str] = dataclasses.field(default_factory=set)
  tokens: int = 0  # with tags, <BOS>, <EOC> and <EOS>
  # Tokens of each document.
  sizes: list[int] = dataclasses.field(default_factory=list)
  learned: int = 0  # tokens that training predicts: no tags, not the first
  duplicates: int = 0  # documents that are equal to an earlier one
  # How many documents have how many media.
  media_counts: collections.Counter[int] = dataclasses.field(
      default_factory=collections.Counter
  )
  # In how many documents there is a key that nothing reads.
  further: collections.Counter[str] = dataclasses.field(
      default_factory=collections.Counter
  )
  # (line, sentence) of all that has to be mended; line 0 is the file. Of a
  # folder, documents count as lines, from 1.
  problems: list[tuple[int, str]] = dataclasses.field(default_factory=list)
  _seen: set[bytes] = dataclasses.field(default_factory=set)

  @property
  def _media(self) -> str:
    """What they are, for remarks."""
    return 'features' if self.features else 'images or videos'

  @property
  def longest(self) -> int:
    """Tokens of the longest document."""
    return max(self.sizes, default=0)

  def add(self, doc: interleaved.TokenizedDocument) -> None:
    """Counts one good document."""
    size, kinds = len(doc.tokens), [medium.kind for medium in doc.media]
    self.documents += 1
    self.images += kinds.count('image')
    self.videos += kinds.count('video')
    self.features += kinds.count('features')
    for medium in doc.media:
      if medium.kind == 'features':
        frames, *shape = media_reader.open_features(medium).shape
        self.frames = max(self.frames, frames)
        self.frame_sizes.add(str(ArraySize(*shape)))
    self.tokens += size
    self.sizes.append(size)
    self.learned += int(np.sum(~np.asarray(doc.is_tag, bool)[1:]))
    self.media_counts[len(doc.media)] += 1
    digest = _digest(doc)
    self.duplicates += digest in self._seen
    self._seen.add(digest)
    self.misfits.add(doc)

  def lengths(self) -> list[tuple[str, int]]:
    """How many documents have how many tokens, in bins of powers of two."""
    bins = collections.Counter(
        max(_SHORT, 1 << (size - 1).bit_length()) for size in self.sizes
    )
    high, found = _SHORT, []
    while bins and high <= max(bins):
      low = 1 if high == _SHORT else high // 2 + 1
      found.append((f'{low:,} to {high:,}', bins[high]))
      high *= 2
    return found

  def media(self) -> list[tuple[str, int]]:
    """How many documents have how many images and videos."""
    shown = range(1 + min(_HISTOGRAM, max(self.media_counts, default=-1)))
    found = [(str(number), self.media_counts[number]) for number in shown]
    more = sum(c for n, c in self.media_counts.items() if n > _HISTOGRAM)
    return found + ([(f'more than {_HISTOGRAM}', more)] if more else [])

  def rows(self) -> list[tuple[str, str, str]]:
    """(what, how much, remark) for people."""
    misfits, lengths = self.misfits, self.misfits.lengths
    mean = self.tokens / max(1, self.documents)
    middle, most = np.percentile(self.sizes or [0], (50, 99))
    return [
        ('documents', f'{self.documents:,}', ''),
        ('images', f'{self.images:,}', ''),
        ('videos', f'{self.videos:,}', ''),
        *self._features(),
        ('tokens', f'{self.tokens:,}',
         f'{mean:.1f} per document; half have up to {middle:.0f}, 99 % up to'
         f' {most:.0f}'),
        ('longest', f'{self.longest:,}',
         ', '.join(f'{span} tokens in {self._share(count)}'
                   for span, count in self.lengths() if count)),
        ('learned', f'{self.learned:,}',
         f'{100 * self.learned / max(1, self.tokens):.1f} % of the tokens; the'
         ' others are given'),
        ('media', f'{sum(n * c for n, c in self.media_counts.items()):,}',
         self._histogram()),
        ('duplicates', f'{self.duplicates:,}',
         f'{self._share(self.duplicates)} of the documents occurred before'
         if self.duplicates else 'no document occurs twice'),
        ('truncated', f'{misfits.truncated:,}',
         f'{self._share(misfits.truncated)} of the documents are longer than'
         f' {lengths["tokens"]} tokens; an example is a random window of them'
         if misfits.truncated else
         f'all documents fit into {lengths["tokens"]} tokens'),
        ('left out', f'{misfits.left_out:,}',
         f'after the first {lengths["media"]} {self._media} of a document;'
         f' {self._share(misfits.crowded)} of them have more'
         if misfits.left_out else
         f'no document has more than {lengths["media"]} {self._media}'),
        *self._without_room(),
        *self._notes(),
        ('problems', f'{len(self.problems):,}',
         'fix these before training' if self.problems else
         'every file can be read'),
    ]

  def _features(self) -> list[tuple[str, str, str]]:
    """A row on features, if there are any."""
    if not self.features:
      return []
    return [(
        'features', f'{self.features:,}',
        f'of {" and ".join(sorted(self.frame_sizes))} (positions x channels)'
        f' in up to {self.frames} frames: --gin.FRAMES={self.frames} has room',
    )]

  def _without_room(self) -> list[tuple[str, str, str]]:
    """A row on documents that packed examples leave out, if they are packed."""
    lengths = self.misfits.lengths
    if 'documents' not in lengths:
      return []
    share = self.misfits.share_without_room()
    return [(
        'no room', f'{share * self.documents:,.0f}',
        f'of an epoch wait for another one, as rows of {lengths["documents"]} '
        f'documents have {lengths["tokens"]} tokens and {lengths["media"]} '
        f'{self._media}',
    )]

  def _notes(self) -> list[tuple[str, str, str]]:
    """A row on keys beside "parts", which are no problem, if there are any."""
    if not self.further:
      return []
    names = '; "id" names documents in messages' * ('id' in self.further)
    told = ', '.join(
        f'{shown(key)} in {self._share(count)}'
        for key, count in self.further.most_common(_KEYS_TOLD)
    )
    more = len(self.further) - _KEYS_TOLD
    return [(
        'other keys', f'{len(self.further):,}',
        f'{told}{f" and {more:,} more" * (more > 0)} of the documents, beside '
        f'"parts", are not used{names}',
    )]

  def _histogram(self) -> str:
    """'1 image or video in 20.0 % of the documents, 2 in ...'."""
    shares = [
        f'{number}{"" if i else f" {self._media}"} in {self._share(count)}'
        for i, (number, count) in enumerate(
            sorted(self.media_counts.items())[:_HISTOGRAM]
        )
    ]
    more = len(self.media_counts) - len(shares)
    return ', '.join(shares) + (', and so on' if more > 0 else '')

  def _share(self, count: int) -> str:
    return f'{100 * count / max(1, self.documents):.1f} %'

  def __str__(self) -> str:
    rows = self.rows()
    width = max(len(amount) for _, amount, _ in rows)
    table = [
        f'  {what:<10} {amount:>{width}}  {remark}'.rstrip()
        for what, amount, remark in rows
    ]
    problems = [
        f'{self.path}:{line}: {problem}' if line else f'{self.path}: {problem}'
        for line, problem in self.problems
    ]
    told = self.misfits.sentence()
    return '\n'.join([self.path, *table, *([told] if told else []), *problems])


def check(
    path: str | os.PathLike,
    *,
    vocabulary: Vocabulary,
    lengths: Mapping[str, int],
    macros: Collection[str] = (),
    out_html: str | os.PathLike | None = None,
) -> Report:
  """Reads every document and decodes every image of a data set.

  Args:
    path: a JSONL file (documents.py says what is in it), or a folder that
      `flamingo prepare` has made.
    vocabulary: of the language model.
    lengths: of an example of the run, as those of `Misfits`.
    macros: of its gin file.
    out_html: where a page with 20 samples is written, if anywhere.

  Raises:
    UserError: the page cannot be written. Problems of the data raise nothing;
      they are in the report.
  """
  report = Report(os.fspath(path), Misfits(lengths, macros))
  samples, rng = [], np.random.default_rng(0)
  for line in progress.each(_scan(path), 'checking', 'documents'):
    report.problems += [(line.number, problem) for problem in line.problems]
    report.further.update(line.further if line.document else ())
    if line.document is None:
      continue
    report.add(interleaved.tokenize_document(line.document.parts, vocabulary))
    if len(samples) < _SAMPLES:
      samples.append(line.document)
    else:  # each document has the same chance to be in the sample
      place = int(rng.integers(report.documents))
      if place < _SAMPLES:
        samples[place] = line.document
  if out_html is not None:
    samples.sort(key=lambda doc: doc.example_id)
    page = preview.render(
        samples, report.path, report.rows(), report.problems,
        {'Tokens of a document': report.lengths(),
         'Media of a document': report.media()},
        vocabulary=vocabulary, length=lengths['tokens'],
        max_media=lengths['media'],
    )
    write_atomically(out_html, page)
  return report


def _scan(path: str | os.PathLike) -> Iterator[documents.Line]:
  if not os.path.isdir(path):
    return documents.scan(path)
  from flamingo_jax.data import quiet_tensorflow

  quiet_tensorflow.load()  # which reads TFRecords
  from flamingo_jax.prepare import prepared

  return prepared.scan(path)


def _digest(doc: interleaved.TokenizedDocument) -> bytes:
  """Equal for equal tokens with equal media."""
  digest = hashlib.sha256(np.asarray(doc.tokens).tobytes())
  for medium in doc.media:
    encoded = isinstance(medium.data, bytes)
    digest.update(medium.data if encoded else os.fsencode(medium.path))
  return digest.digest()[:16]
