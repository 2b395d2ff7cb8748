# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Few-shot prompts: supports with their answers, then a query (Flamingo A.2).

  <BOS><image>Output: A cat.<EOC><image>Output: A dog.<EOC><image>Output:
and, with no shots, two supports without their pictures:
  <BOS>Output: A cat.<EOC>Output: A dog.<EOC><image>Output:
"""

from collections.abc import Iterator, Sequence
import dataclasses
import hashlib
import typing

from flamingo_jax.data.interleaved import END_OF_CHUNK
from flamingo_jax.data.media import Media
from flamingo_jax.errors import UserError
from flamingo_jax.predictor.inputs import Prompt

# Supports that a prompt of no shots shows as text alone, so that the model
# knows the form of an answer; one would be copied, more help little (B.1.5).
_TEXT_ONLY_SHOTS = 2


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
  """A query or a support of a benchmark.

  Attributes:
    media: what is shown, before the text.
    text: what is asked, left open, such as 'Output:' or 'Question: What is it?
      Answer:'; may be empty.
    answers: all that are right, at least one; a support shows the first.
    source: where it is from, for messages and records.
    example_id: its place in the source.
  """

  media: tuple[Media, ...]
  text: str
  answers: tuple[str, ...]
  source: str
  example_id: int


@typing.runtime_checkable
class Samples(typing.Protocol):
  """Samples by index: a list, or a class of yours."""

  def __len__(self) -> int:
    ...

  def __getitem__(self, index: int, /) -> Sample:
    ...


@dataclasses.dataclass(frozen=True, eq=False)
class Episode:
  """A query with supports and candidates of its own.

  Attributes:
    supports: the shots, in their order.
    query: what is asked last.
    candidates: the answers there are; one of the query's is among them.
  """

  supports: tuple[Sample, ...]
  query: Sample
  candidates: tuple[str, ...]


@typing.runtime_checkable
class Episodes(typing.Protocol):
  """Episodes by index: a list, or a class of yours."""

  def __len__(self) -> int:
    ...

  def __getitem__(self, index: int, /) -> Episode:
    ...


def make_prompt(
    query: Sample,
    supports: Samples,
    shots: int,
    seed: int,
    text_only_at_zero: bool,
) -> Prompt:
  """The parts of a query's prompt.

  Args:
    query: comes last and is left open.
    supports: what shots are taken from; the query itself is never one.
    shots: how many.
    seed: of the choice; see `choose_shots`.
    text_only_at_zero: whether a prompt of no shots begins with supports that
      have lost their media (open-ended tasks; others need none, B.1.5).

  Raises:
    UserError: there are fewer supports than shots.
  """
  text_only = not shots and text_only_at_zero
  chosen = choose_shots(
      query, supports, _TEXT_ONLY_SHOTS if text_only else shots, seed
  )
  if text_only:
    chosen = [dataclasses.replace(shot, media=()) for shot in chosen]
  return join_shots(chosen, query)


def join_shots(shots: Sequence[Sample], query: Sample) -> Prompt:
  """The prompt of these shots and this query."""
  parts = []
  for shot in shots:
    parts += [*shot.media, _spaced(shot.text, shot.answers[0]), END_OF_CHUNK]
  return [*parts, *query.media, *([query.text] if query.text else [])]


def choose_shots(
    query: Sample, supports: Samples, count: int, seed: int
) -> list[Sample]:
  """Supports in random order, which the query's id and the seed alone decide.

  So they are the same on any number of devices, in batches of any size, and
  for any order of the queries.

  Raises:
    UserError: there are fewer.
  """
  shots = []
  taken = set()
  for place in _draws(query.example_id, seed, len(supports)):
    if len(shots) == count or len(taken) == len(supports):
      break
    if place not in taken:
      taken.add(place)
      support = supports[place]
      if support.source != query.source:
        shots.append(support)
  if len(shots) < count:
    raise UserError(
        f'{query.source}: {count} shots are asked for and there are '
        f'{len(shots)} supports besides it: add supports or ask for fewer shots'
    )
  return shots


def _draws(example_id: int, seed: int, count: int) -> Iterator[int]:
  """Endless places from 0 to count - 1; none if there are none.

  A hash, because NumPy's generators may change from version to version.
  """
  number = 0
  while count:
    digest = hashlib.sha256(f'{seed} {example_id} {number}'.encode()).digest()
    yield int.from_bytes(digest[:8], 'big') % count
    number += 1


def _spaced(text: str, answer: str) -> str:
  """'Output:' and 'a cat' make 'Output: a cat'."""
  touches = text and not text[-1].isspace() and not answer[:1].isspace()
  return text + (' ' if touches else '') + answer


def as_text(prompt: Sequence) -> str:
  """A prompt as it is printed, media as '<image>'."""
  words = [
      part if isinstance(part, str)
      else '<image>' if isinstance(part, Media) else '<EOC>'
      for part in prompt
  ]
  return ''.join(words)
