# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluates one benchmark at one number of shots (Flamingo §3, B.1.5).

Everything that decides a prediction is in `Settings`, the annotation files and
the checkpoint: not the batch size, the order of queries, or the machine.
"""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import functools
import hashlib
import itertools
import json
import os
from typing import Any, Protocol, runtime_checkable

from etils import epath
import numpy as np

from flamingo_jax.data import interleaved
from flamingo_jax.data.media import Media
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation import rices
from flamingo_jax.evaluation.benchmark import Benchmark
from flamingo_jax.evaluation.inference import BEAMS
from flamingo_jax.evaluation.prompts import Prompt, Sample

_LISTED = 5  # missing files that a message names
_CHUNK = 4  # batches between two additions to the draft


@runtime_checkable
class Answerer(Protocol):
  """What is evaluated: a Predictor, or whatever says and ranks as one does."""

  vocabulary: Vocabulary
  context: int  # tokens of a prompt and its answer

  def generate(
      self, prompts: Sequence[Prompt], *, max_new_tokens: int, beams: int,
      batch_size: int,
  ) -> list[str]:
    """What it says after each prompt."""

  def score(
      self, prompts: Sequence[Prompt], candidates: Sequence[str], *,
      batch_size: int,
  ) -> np.ndarray:
    """Log-likelihoods [prompts C] of candidates."""

  def embed(self, media: Sequence[Media]) -> np.ndarray:
    """f32[media Dv], the vision encoder's features of each, for RICES."""


@dataclasses.dataclass(frozen=True)
class Settings:
  """What decides the predictions, beside the model and the files.

  Attributes:
    benchmark: its name.
    split: of the queries.
    shots: how many.
    seed: of the choice of shots.
    shots_kind: one of prompts.SHOTS_KINDS.
    rices: whether shots are the nearest supports instead of random ones.
    permutations: how many orders of the shots log-likelihoods are averaged
      over (close-ended benchmarks; the paper has 6).
    limit: how many queries, chosen by a hash; None: all.
    beams: of the search for an answer.
  """

  benchmark: str
  split: str
  shots: int
  seed: int = 0
  shots_kind: str = 'paired'
  rices: bool = False
  permutations: int = 1
  limit: int | None = None
  beams: int = BEAMS

  @property
  def name(self) -> str:
    """Of the folder of the results: what differs from the defaults."""
    parts = [self.benchmark, self.split, f'{self.shots}shot']
    parts += ['rices'] * self.rices
    parts += [self.shots_kind] * (self.shots_kind != 'paired')
    parts += [f'{self.permutations}orders'] * (self.permutations > 1)
    parts += [f'first{self.limit}'] * (self.limit is not None)
    return '_'.join([*parts, f'seed{self.seed}'])


@dataclasses.dataclass(frozen=True)
class Queries:
  """What is asked, and what shots are taken from; all media are there.

  Attributes:
    queries: in the order of the annotations.
    pool: of supports.
    missing: files of media that are not there, of either.
  """

  queries: list[Sample]
  pool: list[Sample]
  missing: list[str]


@dataclasses.dataclass(frozen=True)
class Outcome:
  """What was answered.

  Attributes:
    outputs: answers[Q], or log-likelihoods f32[Q C]; None if a prompt is longer
      than the model's context ("OOC").
    shots: of each query, in their order.
    longest: tokens of the longest prompt.
    example: the first query's prompt.
  """

  outputs: Any
  shots: list[list[Sample]]
  longest: int
  example: str


def read_queries(
    benchmark: Benchmark, data: str | os.PathLike, settings: Settings,
    allow_missing: bool,
) -> Queries:
  """The queries and supports whose media exist.

  Raises:
    UserError: an annotation file or, unless it is allowed, a medium is missing;
      the benchmark is not for these settings.
  """
  _check(benchmark, settings)
  queries = benchmark.queries(data, settings.split)
  if settings.limit is not None:
    digest = lambda i: hashlib.sha256(queries[i].source.encode()).digest()
    first = sorted(range(len(queries)), key=digest)[: settings.limit]
    queries = [queries[i] for i in sorted(first)]
  is_shown = settings.shots or not benchmark.is_close_ended
  pool = benchmark.pool(data) if is_shown else []
  exists = functools.cache(os.path.isfile)
  missing = list(dict.fromkeys(
      medium.path for sample in [*queries, *(pool if settings.shots else [])]
      for medium in sample.media if not exists(medium.path)
  ))
  if missing and not allow_missing:
    listed = ', '.join(missing[:_LISTED])
    raise UserError(
        f'{len(missing)} images or videos of {benchmark.name} are missing '
        f'({listed}{", ..." if len(missing) > _LISTED else ""}): put them there '
        f'({benchmark.media}), or leave their examples out with --allow_missing'
    )
  whole = lambda sample: all(exists(medium.path) for medium in sample.media)
  queries = list(filter(whole, queries))
  if not queries:
    raise UserError(
        f'no image or video of {benchmark.name} exists: put them into '
        f'{benchmark.source(data, settings.split).folder} ({benchmark.media})'
    )
  if settings.shots:
    pool = list(filter(whole, pool))
  return Queries(queries, pool, missing)


def _check(benchmark: Benchmark, settings: Settings) -> None:
  if settings.shots < 0:
    raise UserError(f'shots is {settings.shots} and must be at least 0')
  if settings.shots and benchmark.supports is None:
    raise UserError(
        f'{benchmark.name} has no training split to take shots from: ask for 0'
    )
  if settings.permutations > 1 and not benchmark.is_close_ended:
    raise UserError(
        f'{benchmark.name} is open-ended, and answers in words have no mean: '
        'permutations are for close-ended benchmarks'
    )
  if min(settings.permutations, settings.beams) < 1:
    raise UserError('permutations and beams must be at least 1')
  if settings.limit is not None and settings.limit < 1:
    raise UserError(f'limit is {settings.limit} and must be at least 1')


def answer(
    benchmark: Benchmark,
    found: Queries,
    settings: Settings,
    answerer: Answerer,
    *,
    draft: epath.Path,
    model: str = '',
    batch_size: int = 8,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
  """What the model says to each query.

  Args:
    benchmark: which one.
    found: its queries and supports.
    settings: of the prompts.
    answerer: the model.
    draft: a file that answers are added to; what it has is not asked again.
      The features for RICES are kept in the folder above its own.
    model: tells models apart.
    batch_size: queries at once; decides nothing but the speed.
    progress: is told how many queries are done.
  """
  retrieve = None
  if settings.rices and settings.shots:
    retrieve = rices.Index(
        found.pool, answerer.embed, draft.parent.parent, model
    ).nearest

  def shots_of(query, permutation=0):
    return prompts.make_shots(
        query, found.pool, settings.shots, settings.seed,
        not benchmark.is_close_ended, settings.shots_kind, retrieve,
        permutation,
    )

  shots = [shots_of(query) for query in found.queries]
  lengths = [
      _length(prompts.join(chosen, query), answerer.vocabulary)
      for chosen, query in zip(shots, found.queries)
  ]
  room = benchmark.max_new_tokens or _longest_candidate(
      found.queries, answerer.vocabulary
  )
  example = prompts.as_text(prompts.join(shots[0], found.queries[0]))
  outcome = Outcome(None, shots, max(lengths), example)
  if max(lengths) + room > answerer.context:
    return outcome

  def ask(rows: Sequence[int]) -> list[Any]:
    queries = [found.queries[i] for i in rows]
    if not benchmark.is_close_ended:
      said = answerer.generate(
          [prompts.join(shots[i], found.queries[i]) for i in rows],
          max_new_tokens=benchmark.max_new_tokens, beams=settings.beams,
          batch_size=batch_size,
      )
      return [prompts.trim_answer(text, benchmark.trim) for text in said]
    orders = [
        _score(
            answerer, queries,
            [prompts.join(shots_of(q, order), q) for q in queries], batch_size,
        )
        for order in range(settings.permutations)
    ]
    return np.mean(orders, axis=0).tolist()

  # Prompts of like length share a batch, which is padded to the longest.
  order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
  outputs = _ask_all(order, ask, draft, batch_size * _CHUNK, progress)
  if benchmark.is_close_ended:
    outputs = np.array(outputs, np.float32)
  return dataclasses.replace(outcome, outputs=outputs)


def _score(
    answerer: Answerer, queries: Sequence[Sample], asked: Sequence[Prompt],
    batch_size: int,
) -> np.ndarray:
  """Log-likelihoods [Q C]; neighbours with the same candidates share a call."""
  rows, at = [], 0
  for candidates, group in itertools.groupby(q.candidates for q in queries):
    count = len(list(group))
    rows.append(answerer.score(
        asked[at : at + count], candidates, batch_size=batch_size
    ))
    at += count
  return np.concatenate(rows)


def _ask_all(
    order: Sequence[int], ask: Callable[[Sequence[int]], list[Any]],
    draft: epath.Path, chunk: int, progress: Callable[[int, int], None],
) -> list[Any]:
  """Answers by query; each chunk is in the draft before the next is asked."""
  outputs = dict(_read_draft(draft))
  left = [i for i in order if i not in outputs]
  with draft.open('a', encoding='utf-8') as file:
    for start in range(0, len(left), chunk):
      progress(len(outputs), len(order))
      rows = left[start : start + chunk]
      for i, output in zip(rows, ask(rows), strict=True):
        outputs[i] = output
        file.write(json.dumps([i, output]) + '\n')
      file.flush()
  progress(len(outputs), len(order))
  return [outputs[i] for i in range(len(order))]


def _read_draft(draft: epath.Path) -> Iterator[tuple[int, Any]]:
  """Whole lines; a last one that was cut off is taken away."""
  if not draft.exists():
    return
  lines = draft.read_bytes().split(b'\n')[:-1]
  draft.write_bytes(b''.join(line + b'\n' for line in lines))
  for line in lines:
    index, output = json.loads(line)
    yield index, output


def _length(prompt: Prompt, vocabulary: Vocabulary) -> int:
  document = interleaved.tokenize_document(prompt, vocabulary, close=False)
  return len(document.tokens)


def _longest_candidate(
    queries: Sequence[Sample], vocabulary: Vocabulary
) -> int:
  texts = {text for c in {q.candidates for q in queries} for text in c}
  return max(len(vocabulary.encode(f' {text}')) for text in texts)
