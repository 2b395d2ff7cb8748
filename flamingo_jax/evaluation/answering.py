# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Asks a model the queries of a benchmark (Flamingo §3, B.1.5)."""

from collections.abc import Callable, Sequence
import dataclasses
import functools
import itertools
import json
from typing import Any, Protocol, runtime_checkable

from etils import epath
import numpy as np

from flamingo_jax.data import interleaved
from flamingo_jax.data import storage
from flamingo_jax.data.media import Media
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import drafts
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation import rices
from flamingo_jax.evaluation.benchmark import Benchmark
from flamingo_jax.evaluation.fewshot import Queries, Settings
from flamingo_jax.evaluation.prompts import Prompt, Sample, Style, as_asked
from flamingo_jax.predictor.inputs import tokenize_candidates

_BEYOND = 0.01  # share of prompts that may be too long; with more, no score

# Batches between two additions to the draft: as many as a host has devices.
_CHUNK = 8


@runtime_checkable
class Answerer(Protocol):
  """What is evaluated: a Predictor, or whatever says and ranks as one does."""

  vocabulary: Vocabulary | None  # None: it does not tell its tokens
  context: int | None  # tokens of a prompt and its answer; None, likewise

  def generate(
      self, prompts: Sequence[Prompt], *, max_new_tokens: int, beams: int,
      batch_size: int, prefix: Prompt, frames: int | None = None,
      fps: float | None = None,
  ) -> list[str]:
    """What it says after the prefix and each prompt.

    Frames and fps are given where there are videos, here and below.
    """

  def score(
      self, prompts: Sequence[Prompt], candidates: Sequence[str], *,
      separator: str, batch_size: int, prefix: Prompt,
      frames: int | None = None, fps: float | None = None,
  ) -> np.ndarray:
    """Log-likelihoods [prompts C] of candidates after both.

    The separator stands in front of a candidate.
    """

  def embed(
      self, media: Sequence[Media], *, frames: int | None = None,
      fps: float | None = None,
  ) -> np.ndarray:
    """f32[media Dv], the vision encoder's features of each, for RICES."""


@dataclasses.dataclass(frozen=True)
class Outcome:
  """What was answered."""

  outputs: Any  # answers[Q], or log-likelihoods f32[Q C]
  shots: list[list[Sample]]  # of each query, in their order
  # Places of the queries that were not asked, as their prompts are longer than
  # the model's context: they have '' or zeros as outputs.
  beyond: list[int]
  longest: int | None  # tokens of the longest prompt; None: they are not known
  example: str  # the first query's prompt
  # Places of the queries whose answers name no candidate, of a model that ranks
  # by its answers: they have zeros as outputs.
  unnamed: list[int] = dataclasses.field(default_factory=list)


def answer(
    benchmark: Benchmark,
    found: Queries,
    settings: Settings,
    answerer: Answerer,
    *,
    draft: epath.Path,
    batch_size: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
  """What the model says to each query.

  Args:
    benchmark: which one.
    found: its queries and supports.
    settings: of the prompts.
    answerer: the model.
    draft: a file that answers are added to; what it has is not asked again.
    batch_size: queries at once on each device.
    progress: is told how many queries are done.

  Raises:
    UserError: too many prompts are longer than the model's context.
  """
  shots_of = _chooser(
      benchmark, found, settings, _retrieve(found, settings, answerer)
  )
  shots, lengths, beyond = lay_out(
      benchmark, found, settings, answerer, shots_of
  )
  queries, style = as_asked(found.queries, settings.control), benchmark.style

  def say(rows: Sequence[int]) -> list[str]:
    prefix, asked = _split(
        settings, style, [queries[i] for i in rows], [shots[i] for i in rows]
    )
    said = answerer.generate(
        asked, max_new_tokens=benchmark.max_new_tokens, beams=settings.beams,
        batch_size=batch_size, prefix=prefix, **settings.sampling,
    )
    return [
        prompts.trim_answer(text, benchmark.trim, style.dropped)
        for text in said
    ]

  def rank(rows: Sequence[int]) -> list[list[float]]:
    asked = [queries[i] for i in rows]
    orders = [
        _score(answerer, settings, style, asked, batch_size, *_split(
            settings, style, asked,
            [shots_of(found.queries[i], n) for i in rows],
        ))
        for n in range(settings.ensemble)
    ]
    return np.mean(orders, axis=0).tolist()

  # Prompts of like length share a batch, which is padded to the longest.
  order = sorted({*range(len(lengths))} - {*beyond}, key=lambda i: (lengths[i], i))
  ask = rank if benchmark.is_close_ended else say
  is_known = answerer.vocabulary is not None
  outputs = _ask_all(
      order, ask, draft, batch_size * (_CHUNK if is_known else 1), progress
  )
  for i in beyond:
    outputs[i] = [0.0] * len(found.queries[i].candidates) or ''
  outputs = [outputs[i] for i in range(len(lengths))]
  unnamed = []
  if benchmark.is_close_ended:
    outputs = np.array(outputs, np.float32)
    unnamed = np.flatnonzero(np.isnan(outputs).any(axis=1)).tolist()
    outputs[unnamed] = 0
  return Outcome(
      outputs, shots, beyond, max(lengths) if is_known else None,
      prompts.as_text(prompts.join(shots[0], queries[0], style)),
      unnamed,
  )


def _retrieve(
    found: Queries, settings: Settings, answerer: Answerer
) -> prompts.Choose | None:
  if not (settings.rices and settings.shots):
    return None
  embed = functools.partial(answerer.embed, **settings.sampling)
  index = rices.Index(found.queries, found.pool, embed)
  return lambda query, supports, count, seed: index.nearest(query, count)


def lay_out(
    benchmark: Benchmark,
    found: Queries,
    settings: Settings,
    answerer: Answerer,
    shots_of: Callable[[Sample], list[Sample]] | None = None,
) -> tuple[list[list[Sample]], list[int], list[int]]:
  """(shots, tokens of each prompt, places of those beyond the context).

  Of a model that does not tell its tokens, characters, and no places.

  Args:
    benchmark: which one.
    found: its queries and supports.
    settings: of the prompts.
    answerer: the model.
    shots_of: a query; None: a hash chooses them.

  Raises:
    UserError: more than one in a hundred is beyond the context; the prompts
      are not for this model.
  """
  style, vocabulary = benchmark.style, answerer.vocabulary
  shots_of = shots_of or _chooser(benchmark, found, settings, None)
  if vocabulary is None:
    return _lay_out_texts(benchmark, found, settings, shots_of)
  # Others put a second <EOC> behind what stands there, or leave it out.
  if style.after_shot and vocabulary.conventions.closes != 'captions':
    raise UserError(
        f'prompts of {style.name} for {benchmark.name} have '
        f'{style.after_shot!r} between shots, which this model would not read '
        'as it stands: they are for an OpenFlamingo that `flamingo convert` '
        'wrote; leave --prompts out'
    )
  shots = list(map(shots_of, found.queries))
  lengths = [
      _length(prompts.join(chosen, query, style), vocabulary)
      for chosen, query in zip(shots, as_asked(found.queries, settings.control))
  ]
  longest_of = functools.cache(functools.partial(
      _longest_candidate, vocabulary, style.separator
  ))
  rooms = [
      benchmark.max_new_tokens or longest_of(query.candidates)
      for query in found.queries
  ]
  totals = list(map(sum, zip(lengths, rooms)))
  beyond = [i for i, n in enumerate(totals) if n > answerer.context]
  if len(beyond) > _BEYOND * len(lengths):
    raise UserError(
        f'{len(beyond)} of {len(lengths)} prompts of {benchmark.name} with '
        f'{settings.shots} shots are longer than the model reads, more than '
        f'1 %: the longest has {max(totals)} tokens with its answer, and the '
        f'context is {answerer.context} (OOC); ask for fewer shots, or a model '
        'with a longer context'
    )
  return shots, lengths, beyond


def _lay_out_texts(
    benchmark: Benchmark, found: Queries, settings: Settings,
    shots_of: Callable[[Sample], list[Sample]],
) -> tuple[list[list[Sample]], list[int], list[int]]:
  style = benchmark.style
  if style.after_shot or style.averages_tokens:
    raise UserError(
        f'prompts of {style.name} are made of tokens of the model, which an '
        'endpoint does not reveal: leave --prompts out'
    )
  shots = list(map(shots_of, found.queries))
  lengths = [
      len(prompts.as_text(prompts.join(chosen, query, style)))
      for chosen, query in zip(shots, as_asked(found.queries, settings.control))
  ]
  return shots, lengths, []


def _chooser(
    benchmark: Benchmark, found: Queries, settings: Settings,
    retrieve: prompts.Choose | None,
) -> Callable[..., list[Sample]]:
  """A function of a query and a number, of an ensemble, that makes its shots."""
  choose = retrieve or (benchmark.rule and benchmark.rule.choose)

  def shots_of(query, number=0):
    return prompts.make_shots(
        prompts.ANY_QUERY if settings.fixed_shots else query,
        found.pool, settings.shots, settings.seed,
        benchmark.shows_texts_at_zero, settings.control, choose,
        settings.order * settings.ensemble + number,
    )

  return shots_of


def _split(
    settings: Settings, style: Style, queries: Sequence[Sample],
    shots: Sequence[Sequence[Sample]],
) -> tuple[Prompt, list[Prompt]]:
  """What all prompts begin with, and the rest of each."""
  if settings.fixed_shots:
    return prompts.join(shots[0], prompts.ANY_QUERY, style), list(
        map(prompts.ask, queries)
    )
  return [], [
      prompts.join(chosen, q, style) for chosen, q in zip(shots, queries)
  ]


def _score(
    answerer: Answerer, settings: Settings, style: Style,
    queries: Sequence[Sample], batch_size: int, prefix: Prompt,
    asked: Sequence[Prompt],
) -> np.ndarray:
  """Log-likelihoods [Q C]; neighbours with the same candidates share a call."""
  rows, at = [], 0
  for candidates, group in itertools.groupby(q.candidates for q in queries):
    end = at + len(list(group))
    scores = answerer.score(
        asked[at:end], candidates, separator=style.separator,
        batch_size=batch_size, prefix=prefix, **settings.sampling,
    )
    if style.averages_tokens:
      scores = scores / np.array(list(map(len, tokenize_candidates(
          asked[at], candidates, answerer.vocabulary, style.separator,
          close=False,
      ))), np.float32)
    rows.append(scores)
    at = end
  return np.concatenate(rows)


def _ask_all(
    order: Sequence[int], ask: Callable[[Sequence[int]], list[Any]],
    draft: epath.Path, chunk: int, progress: Callable[[int, int], None],
) -> dict[int, Any]:
  """Answers by query; each chunk is in the draft before the next is asked.

  Chunks are asked as a whole, so that a query shares its batch with the same
  others whether or not the evaluation was stopped.
  """
  outputs = dict(drafts.read(draft))
  for start in range(0, len(order), chunk):
    rows = order[start : start + chunk]
    if all(i in outputs for i in rows):
      continue
    progress(len(outputs), len(order))
    answers = dict(zip(rows, ask(rows), strict=True))
    outputs |= answers
    with storage.writing(draft), draft.open('a') as file:
      file.writelines(json.dumps(item) + '\n' for item in answers.items())
  progress(len(outputs), len(order))
  return outputs


def _length(prompt: Prompt, vocabulary: Vocabulary) -> int:
  document = interleaved.tokenize_document(prompt, vocabulary, close=False)
  return len(document.tokens)


def _longest_candidate(
    vocabulary: Vocabulary, separator: str, candidates: Sequence[str]
) -> int:
  return max(len(vocabulary.encode(separator + text)) for text in candidates)
