# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Few-shot prompts: supports with their answers, then a query (Flamingo A.2).

  <BOS><image>Output: A cat.<EOC><image>Output: A dog.<EOC><image>Output:
and, with no shots, two supports without their pictures:
  <BOS>Output: A cat.<EOC>Output: A dog.<EOC><image>Output:
Other makers of Flamingos put prompts together in another `Style`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import hashlib
import typing
from typing import Any

from flamingo_jax.data.documents import END_OF_CHUNK
from flamingo_jax.data.media import Media
from flamingo_jax.errors import UserError, shown
from flamingo_jax.predictor.inputs import Prompt

# Supports that a prompt of no shots shows as text alone, so that the model
# knows the form of an answer; one would be copied, more help little (B.1.5).
_TEXT_ONLY_SHOTS = 2


@dataclasses.dataclass(frozen=True)
class Style:
  """How samples become prompts, and what counts of what is said."""

  name: str  # as --prompts has it
  separator: str  # between what is asked and its answer, or a candidate
  instruction: str = ''  # comes before the shots, or alone
  after_shot: str = ''  # behind the <EOC> of each shot
  strips_answers: bool = False  # whether shots lose space around an answer
  # Whether a shot's answer is that of the first annotator; else it is the one
  # that most gave.
  takes_first_annotator: bool = False
  # Whether prompts of no shots begin with texts of two supports where answers
  # are said (B.1.5), and where candidates are ranked.
  says_behind_texts: bool = True
  ranks_behind_texts: bool = False
  # Whether the log-likelihood of a candidate is the mean over its tokens; else
  # it is their sum.
  averages_tokens: bool = False
  dropped: str = ''  # is taken out of what is said


PAPER = Style('paper', ' ')


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
  """A query or a support of a benchmark."""

  media: tuple[Media, ...]  # what is shown, before the text
  # What is asked, left open, such as 'Output:' or 'Question: What is it?
  # Answer:'; may be empty.
  text: str
  # All that are right; a support shows the first. Only queries of a split whose
  # answers are kept secret have none.
  answers: tuple[str, ...]
  source: str  # where it is from, for messages and records
  example_id: int  # its place in the source
  # What its answer is one of, in a close-ended benchmark.
  candidates: tuple[str, ...] = ()
  # What a metric or a submission needs besides, as JSON has it.
  record: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  # Of a query that comes with shots of its own: these, in their order.
  supports: tuple['Sample', ...] = ()

  def __post_init__(self):
    is_one = isinstance(self.answers, str)
    if is_one or not all(isinstance(text, str) for text in self.answers):
      raise UserError(
          f'{self.source}: answers are {shown(self.answers)} and must be a '
          "tuple of texts, such as ('3',)"
      )

  @property
  def target(self) -> dict[str, Any]:
    """What metrics are told of it."""
    return {
        'answers': self.answers, 'candidates': self.candidates,
        'record': self.record,
    }


@typing.runtime_checkable
class Samples(typing.Protocol):
  """Samples by index: a list, or a class of yours."""

  def __len__(self) -> int:
    ...

  def __getitem__(self, index: int, /) -> Sample:
    ...


@dataclasses.dataclass(frozen=True, eq=False)
class Episode:
  """A query with supports of its own."""

  supports: tuple[Sample, ...]  # the shots, in their order
  query: Sample  # what is asked last


@typing.runtime_checkable
class Episodes(typing.Protocol):
  """Episodes by index: a list, or a class of yours."""

  def __len__(self) -> int:
    ...

  def __getitem__(self, index: int, /) -> Episode:
    ...


# Of a query, the supports, how many shots, and a seed: the shots, in their
# order; `choose_shots` is one.
Choose = Callable[[Sample, Samples, int, int], list[Sample]]

# Stands for every query where all get the same shots.
ANY_QUERY = Sample((), '', (), 'the shots of all queries', -1)

# Each takes something from the prompt, to see whether a model makes use of it:
# the shots' pictures, which picture or which answer belongs to a shot, or all
# pictures, the query's too. By how many shots it needs.
CONTROLS = {
    'no_pictures': 0, 'text_only': 1, 'shuffled_images': 2, 'shuffled_labels': 2
}


def make_episode(
    query: Sample,
    supports: Samples,
    shots: int,
    seed: int,
    text_only_at_zero: bool,
    control: str = '',
    choose: Choose | None = None,
) -> Episode:
  """A query behind its shots; arguments are those of `make_shots`."""
  made = make_shots(
      query, supports, shots, seed, text_only_at_zero, control, choose
  )
  return Episode(tuple(made), *as_asked([query], control))


def as_asked(queries: Sequence[Sample], control: str) -> list[Sample]:
  """Queries as prompts have them: 'no_pictures' leaves their texts alone."""
  blind = control == 'no_pictures'
  return _without_media(queries) if blind else list(queries)


def _without_media(samples: Sequence[Sample]) -> list[Sample]:
  return [dataclasses.replace(sample, media=()) for sample in samples]


def join(
    shots: Sequence[Sample], query: Sample, style: Style = PAPER
) -> Prompt:
  """The instruction, shots with their first answers, the query, left open.

  The answer of a shot is a part of its own, the last one before END_OF_CHUNK.
  """
  parts = [style.instruction] * bool(style.instruction)
  for shot in shots:
    if not shot.answers:
      raise UserError(
          f'{shot.source} has no answer and cannot be a shot: leave it out of '
          'the supports'
      )
    parts += [*shot.media, *answered(shot, style), END_OF_CHUNK]
    parts += [style.after_shot] * bool(style.after_shot)
  return [*parts, *ask(query)]


def ask(query: Sample) -> Prompt:
  """The query alone, left open."""
  return [*query.media, *([query.text] if query.text else [])]


def make_shots(
    query: Sample,
    supports: Samples,
    shots: int,
    seed: int,
    text_only_at_zero: bool,
    control: str = '',
    choose: Choose | None = None,
    order: int = 0,
) -> list[Sample]:
  """What a prompt shows before its query.

  Args:
    query: comes last.
    supports: what shots are taken from; the query itself is never one.
    shots: how many.
    seed: of the choice; see `choose_shots`.
    text_only_at_zero: whether a prompt of no shots begins with supports that
      have lost their media (open-ended tasks; others need none, B.1.5).
    control: one of CONTROLS, or '' for none.
    choose: what chooses the shots, if not `choose_shots`.
    order: which random order of the shots; 0 is that of the choice.

  Raises:
    UserError: there are fewer supports than shots, or too few for the control.
  """
  if not shots and text_only_at_zero:
    texts = choose_shots(query, supports, _TEXT_ONLY_SHOTS, seed)
    chosen = _without_media(texts)
  else:
    chosen = (choose or choose_shots)(query, supports, shots, seed)
    key = f'{seed} {query.example_id} {control}'
    chosen = _take_away(chosen, control, key)
  if not order:
    return chosen
  key = f'{seed} {query.example_id} permutation {order}'
  return [chosen[i] for i in _shuffled(len(chosen), key)]


def _shuffled(count: int, key: str) -> list[int]:
  """0 to count - 1 in an order that the key decides."""
  digest = lambda i: hashlib.sha256(f'{key} {i}'.encode()).digest()
  return sorted(range(count), key=digest)


def controls_of(shots: int, controls: Sequence[str]) -> list[str]:
  """Those of the controls for which there are shots enough.

  Raises:
    UserError: there is no such control.
  """
  for control in controls:
    check_control(control, max(CONTROLS.values()))
  return [name for name in controls if shots >= CONTROLS[name]]


def check_control(control: str, shots: int) -> None:
  """Raises UserError: there is no such control, or it needs more shots."""
  if control and control not in CONTROLS:
    raise UserError(
        f'the control {control!r} must be one of {", ".join(CONTROLS)}'
    )
  if control and shots < CONTROLS[control]:
    raise UserError(
        f'the control {control!r} is for {CONTROLS[control]} or more shots and '
        f'there are {shots}: ask for more'
    )


def _take_away(shots: list[Sample], control: str, key: str) -> list[Sample]:
  """Shots without their media, or with those or the answers of another one.

  They are handed on around a random circle, so that no shot keeps what it had.
  """
  check_control(control, len(shots))
  if not control:
    return shots
  if control in ('text_only', 'no_pictures'):
    return _without_media(shots)
  field = 'media' if control == 'shuffled_images' else 'answers'
  circle, handed = _shuffled(len(shots), key), list(shots)
  for to, of in zip(circle, circle[1:] + circle[:1]):
    more = {field: getattr(shots[of], field)}
    handed[to] = dataclasses.replace(shots[to], **more)
  return handed


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
  for place in draws(query.example_id, seed, len(supports)):
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


def draws(example_id: int, seed: int, count: int) -> Iterator[int]:
  """Endless places from 0 to count - 1; none if there are none.

  A hash, because NumPy's generators may change from version to version.
  """
  number = 0
  while count:
    digest = hashlib.sha256(f'{seed} {example_id} {number}'.encode()).digest()
    yield int.from_bytes(digest[:8], 'big') % count
    number += 1


def answered(shot: Sample, style: Style) -> list[str]:
  """'Output: ' and 'a cat' of a shot, as the paper has it."""
  text, answer = shot.text, shot.answers[0]
  if style.strips_answers:
    answer = answer.strip()
  touches = text and not text[-1].isspace() and not answer[:1].isspace()
  text += style.separator if touches else ''
  return [text, answer] if text else [answer]


def as_text(prompt: Sequence) -> str:
  """A prompt as it is printed, media as '<image>'."""
  words = [
      part if isinstance(part, str)
      else '<image>' if isinstance(part, Media) else '<EOC>'
      for part in prompt
  ]
  return ''.join(words)


def trim_answer(text: str, words: Sequence[str], dropped: str = '') -> str:
  """What comes before the first of these words, without space around it.

  A model that misses <EOC> goes on with a prompt of its own (v1 A.2).

  Args:
    text: that was said.
    words: that end it.
    dropped: is taken out.
  """
  first = min((text.split(word)[0] for word in words), key=len, default=text)
  return (first.replace(dropped, '') if dropped else first).strip()
