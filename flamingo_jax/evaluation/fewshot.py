# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What is evaluated at one number of shots: settings, queries, supports.

Everything that decides a prediction is in `Settings`, the annotation files and
the checkpoint: not the batch size, the order of queries, or the machine.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
import hashlib
import os
from typing import Any

from flamingo_jax.data.frames import EVALUATION
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation.benchmark import BEAMS, Benchmark
from flamingo_jax.evaluation.prompts import PAPER, Sample
from flamingo_jax.evaluation.readers.source import Source
from flamingo_jax.option_values import AnyNumber

_LISTED = 5  # missing files that a message names


@dataclasses.dataclass(frozen=True)
class Settings:
  """What decides the predictions, beside the model and the files."""

  benchmark: str  # its name
  split: str  # of the queries
  shots: int  # how many
  seed: int = 0  # of the choice of shots
  control: str = ''  # what is taken from prompts: one of prompts.CONTROLS, or ''
  # Whether shots are the nearest supports instead of random ones.
  rices: bool = False
  order: int = 0  # which order of the shots; 0 is that of the choice
  # How many orders log-likelihoods are averaged over (close-ended benchmarks; 6
  # in the paper, B.1.5).
  ensemble: int = 1
  limit: int | None = None  # how many queries, chosen by a hash; None: all
  beams: int = BEAMS  # of the search for an answer
  # Whether all queries get the same shots, in the same order, which are then
  # read once.
  fixed_shots: bool = False
  # That are read of a video; None: the paper's 30. Benchmarks of pictures have
  # none.
  frames: AnyNumber = None
  # Frames per second of a video, likewise; the paper's are 3.
  fps: AnyNumber = None
  prompts: str = PAPER.name  # whose they are: the name of a prompts.Style

  @property
  def name(self) -> str:
    """Of the folder of the results: what differs from the defaults."""
    parts = [self.benchmark, self.split, f'{self.shots}shot']
    parts += [self.prompts] * (self.prompts != PAPER.name)
    parts += ['rices'] * self.rices + ['fixed'] * self.fixed_shots
    parts += [self.control] * bool(self.control)
    parts += [f'ensemble{self.ensemble}'] * (self.ensemble > 1)
    parts += [f'order{self.order}'] * bool(self.order)
    parts += [f'first{self.limit}'] * (self.limit is not None)
    read = EVALUATION.override(self.frames, self.fps)
    parts += [f'{read.frames}frames_{read.fps:g}fps'] * (read != EVALUATION)
    return '_'.join([*parts, f'seed{self.seed}'])

  @property
  def sampling(self) -> dict[str, int | float]:
    """What a model is told of videos; nothing where there are none."""
    if self.frames is None:
      return {}
    return {'frames': self.frames, 'fps': self.fps}

  def of(self, benchmark: Benchmark) -> 'Settings':
    """The same with the paper's frames and fps where videos have no others.

    Raises:
      UserError: they make no sense, are for a benchmark of pictures, or ask
        for other prompts than the benchmark's.
    """
    if self.prompts != benchmark.style.name:
      raise UserError(
          f'the settings have prompts={self.prompts!r} and the benchmark '
          f'{benchmark.name} has those of {benchmark.style.name!r}: find both '
          'by the same name'
      )
    if benchmark.shows == 'video':
      read = EVALUATION.override(self.frames, self.fps)
      return dataclasses.replace(self, frames=read.frames, fps=read.fps)
    shows = 'pictures' if benchmark.shows == 'image' else 'features'
    if self.frames is not None or self.fps is not None:
      raise UserError(
          f'{benchmark.name} shows {shows}, and frames and fps are for videos: '
          'leave --frames and --fps out'
      )
    return self


def prompts_of(card: Mapping[str, Any]) -> str:
  """Whose prompts a card has; those before there were others, the paper's."""
  return card['settings'].get('prompts', PAPER.name)


@dataclasses.dataclass(frozen=True)
class Queries:
  """What is asked, and what shots are taken from; all media are there."""

  queries: list[Sample]  # in the order of the annotations
  pool: list[Sample]  # of supports
  missing: list[str]  # files of media that are not there, of either

  @property
  def supports(self) -> list[Sample]:
    """All that shots are taken from: the pool, and those of single queries."""
    return [*self.pool, *(s for query in self.queries for s in query.supports)]


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
  if benchmark.is_close_ended:
    _check_candidates(benchmark.source(data, settings.split), queries)
  if settings.limit is not None:
    digest = lambda i: hashlib.sha256(queries[i].source.encode()).digest()
    first = sorted(range(len(queries)), key=digest)[: settings.limit]
    queries = [queries[i] for i in sorted(first)]
  is_shown = settings.shots or benchmark.shows_texts_at_zero
  pool = benchmark.pool(data) if is_shown else []
  is_file = functools.cache(os.path.isfile)
  lacks = lambda medium: medium.data is None and not is_file(medium.path)
  # What is shown with a sample, which is whole if nothing of it is missing.
  shown = lambda sample: [
      medium for one in (sample, *(sample.supports if settings.shots else ()))
      for medium in one.media
  ]
  missing = list(dict.fromkeys(
      medium.path for sample in [*queries, *(pool if settings.shots else [])]
      for medium in shown(sample) if lacks(medium)
  ))
  if missing and not allow_missing:
    listed = ', '.join(missing[:_LISTED] + ['...'] * (len(missing) > _LISTED))
    raise UserError(
        f'{len(missing)} images or videos of {benchmark.name} are missing '
        f'({listed}): put them there ({benchmark.media}), or leave their '
        'examples out with --allow_missing'
    )
  whole = lambda sample: not any(map(lacks, shown(sample)))
  queries = list(filter(whole, queries))
  if not queries:
    raise UserError(
        f'no image or video of {benchmark.name} exists: put them into '
        f'{benchmark.source(data, settings.split).folder} ({benchmark.media})'
    )
  if settings.shots:
    pool = list(filter(whole, pool))
  return Queries(queries, pool, missing)


def _check_candidates(source: Source, queries: Sequence[Sample]) -> None:
  count = max(2, len(queries[0].candidates))
  for query in queries:
    if len(query.candidates) != count:
      raise UserError(
          f'{source.folder / source.files[0]}: entry {query.example_id}, where '
          f'0 is the first, has {len(query.candidates)} candidates and needs '
          f'{count}, as many as others: copy the file again from '
          f'{source.origin}, or take another split'
      )


def _check(benchmark: Benchmark, settings: Settings) -> None:
  if settings.shots < 0:
    raise UserError(f'shots is {settings.shots} and must be at least 0')
  if settings.shots and not benchmark.has_shots:
    raise UserError(
        f'{benchmark.name} has no training split to take shots from: ask for 0'
    )
  if benchmark.rule and settings.split == benchmark.supports:
    raise UserError(
        f'the split {settings.split!r} of {benchmark.name} is what its makers '
        f'choose shots from: ask {benchmark.split!r}'
    )
  if benchmark.rule and (settings.rices or settings.fixed_shots):
    raise UserError(
        f'the shots of {benchmark.name} are those that its makers choose for '
        'each query: leave --rices and --fixed_shots out'
    )
  if settings.fixed_shots and settings.rices:
    raise UserError(
        'the shots of RICES are those nearest to each query and cannot be the '
        'same for all: leave --rices or --fixed_shots out'
    )
  if settings.fixed_shots and settings.split == benchmark.supports:
    raise UserError(
        f'the shots of {benchmark.name} are from its split {settings.split!r} '
        'and would be among the queries: ask another split, or leave '
        '--fixed_shots out'
    )
  prompts.check_control(settings.control, settings.shots)
  if settings.ensemble > 1 and not benchmark.is_close_ended:
    raise UserError(
        f'{benchmark.name} is open-ended, and answers in words have no mean: '
        'ensembles are for close-ended benchmarks'
    )
  if min(settings.ensemble, settings.beams) < 1:
    raise UserError('ensemble and beams must be at least 1')
  if settings.limit is not None and settings.limit < 1:
    raise UserError(f'limit is {settings.limit} and must be at least 1')
