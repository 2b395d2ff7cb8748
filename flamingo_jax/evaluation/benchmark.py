# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a benchmark is: files, a prompt, a metric (Flamingo A.2, B.1.4)."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
import dataclasses
import functools
import hashlib
import os
import pathlib
from typing import Any

from flamingo_jax.data.media import Kind
from flamingo_jax.errors import UserError, shown
from flamingo_jax.evaluation.metrics import Metric
from flamingo_jax.evaluation.prompts import PAPER, Sample, Style
from flamingo_jax.evaluation.readers.record import Record
from flamingo_jax.evaluation.readers.source import Source
from flamingo_jax.evaluation.shot_rules import ShotRule
from flamingo_jax.evaluation.submissions import Submission

SHOTS = (0, 4, 8, 16, 32)
BEAMS = 3  # the paper's, for every open-ended task (B.1.5)
_SUPPORTS = 2048  # as many as the paper has (B.1.4)


# The files of the queries and of the supports are read once for all shots.
@functools.lru_cache(maxsize=2)
def _read(
    read: Callable[[Source], Iterator[Sample]], source: Source
) -> tuple[Sample, ...]:
  samples = tuple(read(source))
  if not samples:
    raise UserError(
        f'{source.folder / source.files[0]} has no samples of the split '
        f'{source.split!r}: copy it again from {source.origin}'
    )
  _check(source, samples)
  return samples


def _check(source: Source, samples: tuple[Sample, ...]) -> None:
  """Answers of all samples or, where they are kept secret, of none.

  Raises:
    UserError: only some have answers; a candidate is there twice; an answer is
      not among the candidates.
  """
  is_secret = source.is_secret and not any(s.answers for s in samples)
  candidates, known = (), frozenset()
  for sample in samples:
    record = functools.partial(
        Record, {}, source.folder / source.files[0], sample.example_id,
        source.origin,
    )
    if not sample.answers and not is_secret:
      raise record().error('has no answer, while others have')
    if sample.candidates is not candidates:
      candidates, known = sample.candidates, frozenset(sample.candidates)
      # The places of VisDial's are what a relevance is given to.
      if len(known) < len(candidates) and 'relevance' not in sample.record:
        ((text, _),) = Counter(candidates).most_common(1)
        raise record().error(f'has the candidate {shown(text)} twice')
    if candidates and not known.issuperset(sample.answers):
      raise record().error(
          f'has the answer {shown(sample.answers[0])}, which is none of its '
          f'{len(candidates)} candidates, such as {shown(candidates[0])}'
      )


def _parts(folder: pathlib.Path, name: str) -> list[str]:
  """The files that a name with a '*' stands for; itself if there are none."""
  found = folder.glob(name) if '*' in name else ()
  return sorted(
      path.relative_to(folder).as_posix() for path in found
  ) or [name]


@dataclasses.dataclass(frozen=True)
class Benchmark:
  """A row."""

  name: str  # as commands have it, and of its folder in the data folder
  title: str  # as tables have it
  # Makes samples of a split's annotation files.
  read: Callable[[Source], Iterator[Sample]]
  # Their annotation files, official names, relative to the folder; '*' stands
  # for what tells parts of a file apart.
  splits: Mapping[str, tuple[str, ...]]
  # The one that is scored if none is named; the paper's, unless its answers are
  # secret.
  split: str
  origin: str  # where the files come from
  media: str  # where pictures or clips have to be, relative to the folder
  prompt: str  # template of a sample's text
  # The first is the benchmark's, others are reported beside it.
  metrics: tuple[Metric, ...]
  submission: Submission  # what a file of predictions looks like
  max_new_tokens: int = 0  # of an answer; 0 if candidates are ranked
  trim: tuple[str, ...] = ()  # words of the prompt; an answer ends before them
  beams: int = BEAMS  # of the search for an answer
  shots: tuple[int, ...] = SHOTS  # that the paper has
  # The split that shots are from; None without shots, or if they come with the
  # queries.
  supports: str | None = 'train'
  # How its makers choose shots; None: a hash chooses them among the supports.
  rule: ShotRule | None = None
  # Most supports of one answer; None: any number.
  supports_of_a_class: int | None = None
  secret: tuple[str, ...] = ()  # splits whose files may come without answers
  # The kind of the media of all samples.
  shows: Kind = 'image'
  style: Style = PAPER  # of its prompts
  # In what an evaluation is not that of the style's makers, for the card.
  differs: tuple[str, ...] = ()
  # Of a row of your own: 'named' as --benchmark has it, and 'sources', the
  # SHA-256 of each module; set where it is found.
  code: Mapping[str, Any] | None = None

  @property
  def is_close_ended(self) -> bool:
    """Whether candidates are ranked."""
    return not self.max_new_tokens

  @property
  def has_shots(self) -> bool:
    """Whether there is something to take shots from."""
    return self.supports is not None or self.rule is not None

  @property
  def shows_texts_at_zero(self) -> bool:
    """Whether a prompt of no shots begins with texts of supports (B.1.5)."""
    if self.is_close_ended:
      return self.style.ranks_behind_texts
    return self.style.says_behind_texts

  def source(self, data: str | os.PathLike, split: str) -> Source:
    """A split's files below DATA/<name>.

    Raises:
      UserError: there is no such split.
    """
    if split not in self.splits:
      raise UserError(
          f'{self.name} has no split {split!r}; it has '
          f'{", ".join(self.splits)}'
      )
    folder = pathlib.Path(data) / self.name
    files = [
        file for name in self.splits[split] for file in _parts(folder, name)
    ]
    return Source(
        folder, self.name, split, tuple(files), self.origin, self.prompt,
        split in self.secret, self.style.takes_first_annotator,
    )

  def queries(self, data: str | os.PathLike, split: str) -> list[Sample]:
    """All samples of a split, in the order of its file.

    Raises:
      UserError: a file is missing or not the official one, or has no samples.
    """
    return list(_read(self.read, self.source(data, split)))

  def pool(self, data: str | os.PathLike) -> list[Sample]:
    """The samples that shots are chosen from: 2048 of the training split.

    A hash decides, so they are the same for whoever has the same files.
    """
    if self.supports is None:
      return []
    digest = lambda sample: hashlib.sha256(sample.source.encode()).digest()
    chosen, counts = [], {}
    for sample in sorted(self.queries(data, self.supports), key=digest):
      answer = sample.answers[:1]
      counts[answer] = counts.get(answer, 0) + 1
      if not self.supports_of_a_class:
        if len(chosen) < _SUPPORTS:
          chosen.append(sample)
      elif counts[answer] <= self.supports_of_a_class:
        chosen.append(sample)
    return chosen
