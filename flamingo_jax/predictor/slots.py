# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Answers that are written side by side, each from when it comes to its end."""

from collections.abc import Sequence
import dataclasses
import functools

import jax
import numpy as np

from flamingo_jax import decoding
from flamingo_jax.errors import UserError
from flamingo_jax.models import Flamingo, LanguageModel
from flamingo_jax.predictor import programs
from flamingo_jax.predictor.devices import Devices, fetch
from flamingo_jax.predictor.reading import Reading
from flamingo_jax.typing import Array, Float, Int, Tree

_STEPS = 8  # of a call; fewer cost more calls, more let others wait
_LARGE = 2**26  # bytes of weights
_RATIO = 4


def row_counts(rows: int, params: Tree) -> list[int]:
  """Of Slots that together have so many rows, the first to be used first.

  A step of a large model takes a CPU the longer the more rows it has, used or not
  (benchmarks/streams.py); other devices, hardly. The sums are there 1, 4, 16, ...:
  few answers are not held up by rows that are free.
  """
  size = sum(x.nbytes for x in jax.tree.leaves(params))
  if jax.default_backend() != 'cpu' or size < _LARGE:
    return [rows]
  counts = []
  while rows > sum(counts):
    counts.append(min(_RATIO ** len(counts), rows) - sum(counts))
  return counts


@dataclasses.dataclass(frozen=True)
class Piece:
  """What was added to an answer.

  Attributes:
    tokens: without the one that ended it.
    log_probs: of each, of the model itself.
    likeliest: the k likeliest tokens in the place of each.
    likeliest_log_probs: of these.
    end: why the answer ended: 'stop', the model has said <EOC>; 'length', it has
      as many tokens as were asked for; '', it goes on.
  """

  tokens: Int[np.ndarray, 'n']
  log_probs: Float[np.ndarray, 'n']
  likeliest: Int[np.ndarray, 'n k']
  likeliest_log_probs: Float[np.ndarray, 'n k']
  end: str

  def __add__(self, later: 'Piece') -> 'Piece':
    """Both, one after the other."""
    arrays = [
        np.concatenate([getattr(piece, field.name) for piece in (self, later)])
        for field in dataclasses.fields(self)[:-1]
    ]
    return Piece(*arrays, later.end)


class Slots:
  """Rows of one cache, each of which is an answer or free.

  One thread at a time may call it. An answer is the same whatever is written
  beside it, up to rounding.

  Attributes:
    count: rows.
    free: numbers of those that are free.
  """

  def __init__(
      self, model: Flamingo | LanguageModel, params: Tree, devices: Devices,
      like: Reading, *, count: int, alternatives: int, stop: int,
      never: Sequence[int],
  ):
    """Makes room; see `Predictor.slots`."""
    self.count = count
    self.free = list(range(count))
    self._params = params
    self._shape = like.shape
    compiled = functools.partial(devices.compile, splits=False)
    ends = {'stop': stop, 'never': tuple(never), 'alternatives': alternatives}
    self._alternatives = alternatives
    self._put = functools.partial(
        compiled(programs.put, model, *ends, 'draws_any', donates=True), **ends
    )
    self._advance = functools.partial(
        compiled(
            programs.advance, model, *ends, 'steps', 'draws_any', donates=True
        ), **ends, steps=_STEPS,
    )
    self._answers = compiled(programs.repeat_row, model, 'count')(
        params, like.cache, None, count=count
    )
    self._draws = programs.Draws(
        seed=np.zeros(count, np.int32), number=np.zeros(count, np.int32),
        temperature=np.zeros(count, np.float32), top_k=np.zeros(count, np.int32),
        top_p=np.ones(count, np.float32), limit=np.zeros(count, np.int32),
    )
    self._wanted = np.zeros(count, bool)  # rows whose answer goes on
    self._written = np.zeros(count, np.int32)  # tokens of each answer
    self._begun: dict[int, Array] = {}  # first tokens, not yet told
    # Rows that go on at this moment, and what will be told of them.
    self._running: tuple[list[int], Array] | None = None

  def fits(self, reading: Reading) -> bool:
    """Whether its cache has the shape of a row of this one."""
    return reading.shape == self._shape

  def put(
      self, reading: Reading, *, max_new_tokens: int,
      draws: dict[str, float | int] | None = None, seed: int = 0,
      number: int = 0,
  ) -> int:
    """Begins an answer to a prompt that has been read, in a row that is free.

    Args:
      reading: the prompt, with room for the answer.
      max_new_tokens: most tokens of the answer.
      draws: draws tokens at random, with these options of `decoding.sample`.
      seed: of the draws.
      number: of the answer, each of which has draws of its own.

    Returns:
      The number of its row.

    Raises:
      UserError: no row is free, or the prompt does not fit.
    """
    if not self.free or not self.fits(reading):
      raise UserError(
          f'none of {self.count} rows is free, or the prompt is of another '
          'shape: wait for an answer to end, or make rows like the prompt'
      )
    row = self.free.pop()
    told = {'temperature': 0.0, 'top_k': 0, 'top_p': 1.0, **(draws or {})}
    told |= {'seed': seed, 'number': number, 'limit': max_new_tokens}
    for name, value in told.items():
      getattr(self._draws, name)[row] = value
    one = jax.tree.map(lambda x: x[row : row + 1], self._draws)
    self._answers, told = self._put(
        self._params, self._answers,
        ((reading.logits, reading.cache), one, np.array([row], np.int32)),
        draws_any=bool(one.temperature[0] > 0),
    )
    self._wanted[row] = True
    self._written[row] = 0
    # Fetched when it is asked for: until then more can be begun behind it.
    self._begun[row] = told
    return row

  def first(self, row: int) -> Piece:
    """The first token of an answer that has just begun, not to be told again."""
    chosen, counts, is_open = self._fetch(self._begun.pop(row))
    return self._piece(row, chosen, 0, counts[0], is_open[0])

  def start(self) -> None:
    """Lets all answers go on, for `advance` to wait for.

    Until then no answer begins or ends; prompts may be read.
    """
    going = np.flatnonzero(self._wanted)
    if self._running or not going.size:
      return
    self._answers, told = self._advance(
        self._params, self._answers, (self._draws, self._wanted),
        draws_any=bool(np.any(self._draws.temperature[going] > 0)),
    )
    self._running = going.tolist(), told

  @property
  def is_running(self) -> bool:
    """Whether `advance` would wait."""
    return self._running is not None and not self._running[1].is_ready()

  def advance(self) -> dict[int, Piece]:
    """What is new in each answer that goes on or has just begun or ended."""
    found = {row: self.first(row) for row in list(self._begun)}
    self.start()
    if not self._running:
      return found
    (going, told), self._running = self._running, None
    chosen, counts, is_open = self._fetch(told)
    for row in going:
      new = self._piece(row, chosen, row, counts[row], is_open[row])
      found[row] = found[row] + new if row in found else new
    return found

  def drop(self, row: int) -> None:
    """Frees a row, whose answer ends if it has not."""
    self._wanted[row] = False
    self._begun.pop(row, None)
    self.free.append(row)

  def _fetch(
      self, told: Array
  ) -> tuple[decoding.Chosen, list[int], list[bool]]:
    """What a program has told, how many tokens rows have, which are open."""
    chosen, counts, is_open = programs.told(fetch(told), self._alternatives)
    return chosen, counts.tolist(), is_open.tolist()

  def _piece(
      self, row: int, chosen: decoding.Chosen, at: int, count: int, is_open: bool
  ) -> Piece:
    """Of a row's tokens, chosen[at]; it has `count`. Notes whether it ends."""
    new = count - self._written[row]
    self._written[row] = count
    end = ''
    if not is_open:
      self._wanted[row] = False
      end = 'length' if count == self._draws.limit[row] else 'stop'
    return Piece(
        chosen.tokens[at, :new], chosen.log_probs[at, :new],
        chosen.likeliest[at, :new], chosen.likeliest_log_probs[at, :new], end,
    )
