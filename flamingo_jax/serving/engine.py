# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The one thread that asks the model: requests in, pieces of answers out.

  waiting -> read (from what is kept of a prompt that begins alike) -> rows of
  slots, answered side by side, up to eight tokens at a time -> told

A prompt comes in as soon as a row is free, whatever the others are at
(continuous batching). Rows of prompts of one shape are one program's.
"""

import collections
from collections.abc import Callable
import dataclasses
import functools
import threading
import time
from typing import Any

from absl import logging

from flamingo_jax.errors import UserError
from flamingo_jax.predictor import Predictor, inputs, shapes
from flamingo_jax.predictor.answer_text import AnswerText
from flamingo_jax.predictor.reading import Reading
from flamingo_jax.predictor.slots import Piece, Slots, row_counts
from flamingo_jax.serving import bodies
from flamingo_jax.serving import log_probs
from flamingo_jax.serving.limits import Limits
from flamingo_jax.serving.metrics import Metrics
from flamingo_jax.serving.pace import Pace
from flamingo_jax.serving.readings import Readings
from flamingo_jax.serving.refusals import Refusal, too_late
from flamingo_jax.serving.requests import Began, Request, Said

_TO_SEND = 2e-3  # seconds at most, until the first token has left
_AHEAD = 8  # prompts that are read before there is a row for them


@dataclasses.dataclass(eq=False)
class _Answer:
  """One answer of a request, with or without a row yet."""

  work: '_Work'
  number: int
  text: AnswerText
  slots: Slots | None = None
  row: int = -1
  tokens: list[int] = dataclasses.field(default_factory=list)
  length: int = 0  # characters that the tokens make


@dataclasses.dataclass(eq=False)
class _Work:
  """A request that has been read."""

  request: Request
  reading: Reading
  max_new_tokens: int
  began: Began | None
  answers: list[_Answer] = dataclasses.field(default_factory=list)

  def tell_began(self) -> None:
    """Once: with the first token, as whoever listens is woken each time."""
    if self.began:
      self.request.tell(self.began)
    self.began = None


class Engine:
  """Answers requests, in a thread of its own.

  Attributes:
    waiting: requests that have not been read yet.
  """

  def __init__(
      self, model: Predictor, limits: Limits, metrics: Metrics, rows: int
  ):
    """Starts the thread.

    Args:
      model: nobody else may ask it from now on.
      limits: of requests.
      metrics: that it counts in.
      rows: answers of one shape that are written side by side.
    """
    self._model, self._limits, self._metrics = model, limits, metrics
    self._rows, self._row_counts = rows, row_counts(rows, model.params)
    self._readings, self._pace = Readings(limits.kept_bytes), Pace()
    self.waiting: collections.deque[Request] = collections.deque()
    self._read: list[_Work] = []  # whose answers do not all have a row
    self._slots: dict[Any, Slots] = {}  # by shape, alternatives and number
    self._open: dict[tuple[int, int], _Answer] = {}  # by slots and row
    self._begun: list[_Answer] = []  # of which nothing has been told
    self._changed = threading.Condition()
    self._is_closing = False
    for name, told, value in (
        ('waiting', 'Requests that wait', lambda: len(self.waiting)),
        ('writing', 'Answers that are being written', lambda: len(self._open)),
        ('kept_bytes', 'Memory of prompts that are kept for those that begin '
         'alike', lambda: self._readings.bytes),
    ):
      metrics.watch(name, told, value)
    self._thread = threading.Thread(target=self._run, name='engine')
    self._thread.start()

  def ask(self, request: Request) -> None:
    """Answers a request: its `tell` is called until all answers have ended.

    Raises:
      Refusal: too many wait already, or the server is about to end.
    """
    with self._changed:
      self.check_room()
      self.waiting.append(request)
      self._changed.notify()

  def check_room(self) -> None:
    """Refuses where one more request would be refused."""
    if self._is_closing:
      raise Refusal(503, 'this server is about to end; ask another')
    if len(self.waiting) >= self._limits.queue:
      raise Refusal(
          429, f'{len(self.waiting)} requests wait already; try again later',
          code='queue_full', retry_after=self._retry_after(),
      )

  def close(self) -> None:
    """Takes nothing new, answers what there is, and waits for that."""
    with self._changed:
      self._is_closing = True
      self._changed.notify()
    self._thread.join()

  @property
  def is_alive(self) -> bool:
    """Whether requests are answered."""
    return self._thread.is_alive()

  def _retry_after(self) -> int:
    """Seconds until a place is free, by how long the last requests took."""
    seconds = self._metrics.mean_seconds * len(self.waiting) / self._rows
    return max(1, min(round(seconds), 60))

  def _run(self) -> None:
    while True:
      with self._changed:
        while not (self.waiting or self._read or self._open):
          if self._is_closing:
            return
          self._changed.wait()
      self._drop_gone()
      self._take_in()
      self._tell_first()
      self._advance()

  def _take_in(self) -> None:
    """Reads prompts and gives rows to answers, unless others wait too long."""
    if not (self._open or self._read):
      self._pace.begin()
    self._give_rows()
    while self.waiting and not self._read and (
        not self._open or len(self._begun) < self._pace.most
    ):
      self._read_next()
      self._give_rows()

  def _read_next(self) -> None:
    request = self.waiting.popleft()
    self._guarded(request, functools.partial(self._begin, request))

  def _guarded(self, request: Request, act: Any) -> None:
    """Acts for a request; what goes wrong is told to it alone."""
    try:
      act()
    except UserError as error:
      self._end(request, Refusal(400, str(error)))
    except Exception:  # of the accelerator, of memory
      logging.exception('a request failed')
      self._end(request, Refusal(
          500, 'the model failed at this request; the log of the server says why'
      ))

  def _begin(self, request: Request) -> None:
    """Reads the prompt, and scores its candidates."""
    if request.is_over:
      self._give_up(request)
      return
    self._model.look_ahead(request.parts)
    document = self._model.tokenize(request.parts)
    inputs.check_lengths([document], 1, self._model.context)
    length = len(document.tokens)
    asked = request.options.max_new_tokens
    most = self._limits.new_tokens if asked is None else asked
    most = min(most, self._limits.new_tokens, self._model.context - length)
    room = shapes.cache_room(length + max(most, 1), self._model.context)
    near = self._readings.nearest(document, room)
    reading = self._model.read(
        request.parts, max_new_tokens=max(most, 1), near=near,
        document=document,
    )
    kept = near.alike(document, reading.contents) if near else 0
    if not near or reading.cache is not near.cache:
      self._readings.keep(reading)
    scores = ()
    if request.options.candidates:
      scores = tuple(
          max(float(score), log_probs.LEAST) for score in
          self._model.score_read(reading, request.options.candidates)
      )
    self._metrics.note_read(length, kept, time.monotonic() - request.came)
    work = _Work(request, reading, most, Began(length, kept, scores))
    if scores or most < 1:
      work.tell_began()
    for number in range(request.options.answers):
      if most < 1:
        request.tell(Said(number, '', 0, end='length'))
        continue
      work.answers.append(_Answer(work, number, AnswerText(
          self._model.vocabulary, document.tokens, request.stops
      )))
    if work.answers:
      self._read.append(work)

  def _give_rows(self) -> None:
    """A row to each answer for which one is free."""
    for work in list(self._read):
      self._guarded(work.request, functools.partial(self._give_row, work))

  def _give_row(self, work: _Work) -> None:
    options = work.request.options
    vocab = self._model.config.decoder.vocab
    draws = inputs.draws(dataclasses.asdict(options), vocab)
    while work.answers and (slots := self._free_slots(work)):
      answer = work.answers.pop(0)
      answer.slots, answer.row = slots, slots.put(
          work.reading, max_new_tokens=work.max_new_tokens, draws=draws,
          seed=options.seed, number=answer.number,
      )
      self._open[id(slots), answer.row] = answer
      self._begun.append(answer)
    if not work.answers:
      self._read.remove(work)

  def _tell_first(self) -> None:
    """The first token of what has begun; the next eight take their time.

    Waited for after all have begun, so that the device has them in a queue.
    """
    begun, self._begun = self._begun, []
    for answer in begun:
      if self._open.get((id(answer.slots), answer.row)) is answer:
        self._guarded(
            answer.work.request, functools.partial(self._tell_begun, answer)
        )
    self._pace.note_read(len({id(answer.work) for answer in begun}))
    # What was told is sent before the next tokens take all cores.
    until = time.monotonic() + _TO_SEND
    for answer in begun:
      answer.work.request.is_sent.wait(max(until - time.monotonic(), 0.0))

  def _tell_begun(self, answer: _Answer) -> None:
    try:
      piece = answer.slots.first(answer.row)
    except Exception:
      # Reading is not waited for: what failed may be that of the prompt, or what
      # it goes on from. Whoever asks the same again must not get it.
      self._readings.forget()
      raise
    self._tell(answer, piece)

  def _free_slots(self, work: _Work) -> Slots | None:
    """Slots with a free row of a prompt's shape; made when they are first needed.

    Rows of other shapes that nobody uses make way: a shape that is rare should
    not take memory for ever.
    """
    count = bodies.MOST_ALTERNATIVES if work.request.options.alternatives else 0
    count = min(count, self._model.config.decoder.vocab)
    for number, rows in enumerate(self._row_counts):
      key = work.reading.shape, count, number
      if key not in self._slots:
        self._slots = {
            key: slots for key, slots in self._slots.items()
            if any(answer.slots is slots for answer in self._open.values())
        }
        self._slots[key] = self._model.slots(
            work.reading, count=rows, alternatives=count
        )
      if self._slots[key].free:
        return self._slots[key]
    return None

  def _advance(self) -> None:
    """A few more tokens of every answer that has a row.

    While the device writes them, prompts are read for the rows that come free.
    """
    used = {number for number, _ in self._open}
    going = {
        key: slots for key, slots in self._slots.items() if id(slots) in used
    }
    self._pace.begin()
    for key, slots in going.items():
      self._go_on(key, slots.start)
    ahead = min(self._pace.most, _AHEAD)
    while self.waiting and len(self._read) < ahead and any(
        slots.is_running for slots in going.values()
    ):
      self._read_next()
    for key, slots in going.items():
      for row, piece in (self._go_on(key, slots.advance) or {}).items():
        # Gone, where another answer of its request has just failed.
        if answer := self._open.get((id(slots), row)):
          tell = functools.partial(self._tell, answer, piece)
          self._guarded(answer.work.request, tell)
    self._pace.note_written()

  def _go_on(self, key: Any, act: Callable[[], Any]) -> Any:
    """Acts for all answers of some rows; if it goes wrong, they end."""
    slots = self._slots.get(key)
    if slots is None:  # it went wrong before
      return None
    try:
      return act()
    except Exception:
      logging.exception('answers failed')
      self._fail(key, slots)
      return None

  def _fail(self, key: Any, slots: Slots) -> None:
    """All of them: what the rows held is gone."""
    del self._slots[key]
    for answer in [a for a in self._open.values() if a.slots is slots]:
      del self._open[id(slots), answer.row]
      self._end(answer.work.request, Refusal(
          500, 'the model failed at this answer; the log of the server says why'
      ))

  def _tell(self, answer: _Answer, piece: Piece) -> None:
    request = answer.work.request
    prompt = answer.work.reading.document.tokens
    text = answer.text.add(piece.tokens, is_last=bool(piece.end))
    found = []
    if request.options.alternatives is not None:
      found = log_probs.of_piece(
          self._model.vocabulary, [*prompt[-8:].tolist(), *answer.tokens], piece,
          request.options.alternatives,
      )
      for i, token in enumerate(found):
        if answer.text.has_stopped and answer.length >= len(answer.text.text):
          found = found[:i]
          break
        answer.length += len(token.text)
    answer.tokens += piece.tokens.tolist()
    end = 'stop' if answer.text.has_stopped else piece.end
    self._metrics.note_tokens(len(piece.tokens))
    if end:
      self._free(answer)
    if text or found or end:
      answer.work.tell_began()
      request.tell(Said(
          answer.number, text, len(answer.tokens), tuple(found), end
      ))

  def _free(self, answer: _Answer) -> None:
    answer.slots.drop(answer.row)
    del self._open[id(answer.slots), answer.row]

  def _end(self, request: Request, refusal: Refusal | None = None) -> None:
    """Frees all that a request has, and says why."""
    request.is_gone = True
    self._read = [work for work in self._read if work.request is not request]
    for answer in list(self._open.values()):
      if answer.work.request is request:
        self._free(answer)
    if refusal:
      request.tell(refusal)

  def _drop_gone(self) -> None:
    """Frees what nobody waits for any more, and what took too long."""
    with self._changed:
      waiting = list(self.waiting)
    requests = {
        id(request): request for request in (
            *waiting, *(work.request for work in self._read),
            *(answer.work.request for answer in self._open.values()),
        )
    }
    for request in requests.values():
      if request.is_over:
        with self._changed:
          if request in self.waiting:
            self.waiting.remove(request)
        self._give_up(request)

  def _give_up(self, request: Request) -> None:
    late = None if request.is_gone else too_late(self._limits.seconds)
    self._end(request, late)
