# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A conversation with a model, which reads only what is new."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from flamingo_jax.data.dialogue import AnyDialogue, Message
from flamingo_jax.data.documents import END_OF_CHUNK
from flamingo_jax.errors import UserError
from flamingo_jax.option_values import AnyNumber
from flamingo_jax.predictor import inputs
from flamingo_jax.predictor.answer_text import AnswerText
from flamingo_jax.predictor.reading import Reading
from flamingo_jax.predictor.slots import Slots
from flamingo_jax.typing import Float

if TYPE_CHECKING:
  from flamingo_jax.predictor.predictor import Predictor


class Session:
  """What has been said so far, and the model's memory of it.

  An answer is that of the model to the whole prompt, `parts`, which is read only
  from where it differs from what has been read before. Make one with
  `Predictor.session`.
  """

  def __init__(
      self, model: 'Predictor', prefix: Sequence[Any],
      dialogue: AnyDialogue | None, turns: Sequence[Message],
      **sampling: AnyNumber,
  ):
    """Reads nothing yet."""
    self._model = model
    self._prefix = list(prefix)
    self._dialogue = dialogue
    self._sampling = sampling
    self._turns = [(role, list(parts)) for role, parts in turns]
    self._given = len(self._turns)
    self._reading: Reading | None = None
    self._slots: Slots | None = None

  @property
  def turns(self) -> list[Message]:
    """Who said what: ('user', parts) and ('assistant', [answer])."""
    return [(role, list(parts)) for role, parts in self._turns]

  @property
  def parts(self) -> list[Any]:
    """All of it as one prompt, the last answer at its end."""
    return self._prompt(self._turns)

  def say(self, parts: Any, **options: Any) -> str:
    """Adds parts and the model's answer to them, which it returns.

    Args:
      parts: texts, pictures and videos, or one of these.
      **options: as of `stream`.

    Raises:
      UserError: as `stream`.
    """
    return ''.join(self.stream(parts, **options)).strip()

  def stream(
      self,
      parts: Any,
      *,
      max_new_tokens: AnyNumber = 64,
      temperature: AnyNumber = 0.0,
      top_k: AnyNumber = None,
      top_p: AnyNumber = None,
      seed: AnyNumber = 0,
      stops: Sequence[str] = (),
  ) -> Iterator[str]:
    """The same, as the answer comes; together its pieces are the answer.

    What is said and answered so far is kept when the iterator is closed. Nothing
    is added if the prompt cannot be read.

    Args:
      parts: as of `say`.
      max_new_tokens: most tokens of the answer.
      temperature: as of `Predictor.generate`, like the next three.
      top_k: see there.
      top_p: see there.
      seed: see there.
      stops: texts at which the answer ends; they are no part of it.

    Raises:
      UserError: as `Predictor.generate`.
    """
    given = inputs.check_options(
        max_new_tokens=max_new_tokens, temperature=temperature, top_k=top_k,
        top_p=top_p, seed=seed,
    )
    turns = [*self._turns, ('user', self._as_parts(parts))]
    reading = self._read(self._prompt(turns), given['max_new_tokens'])
    return self._answer(turns, reading, given, stops)

  def score(self, candidates: Any, **options: Any) -> Float[np.ndarray, 'C']:
    """Log-likelihoods of texts as what comes next; `Predictor.score`.

    Raises:
      UserError: as there, and if nothing has been said.
    """
    reading = self._read(self.parts, 1)
    return self._model.score_read(reading, candidates, **options)

  def explain(self) -> str:
    """A table of which medium each token sees.

    Raises:
      UserError: nothing has been said, or a language model alone was asked.
    """
    self._model.check_sees_media()
    if not (parts := self.parts):
      raise UserError('nothing has been said yet: say something first')
    # Loaded when asked for: it belongs to preparing data.
    from flamingo_jax.prepare import explain

    return explain.explain(parts, self._model.vocabulary, close=False)

  def fork(self) -> 'Session':
    """Another that goes on from here; neither changes the other."""
    other = Session(
        self._model, self._prefix, self._dialogue, self._turns,
        **self._sampling,
    )
    other._given = self._given
    other._reading = self._reading
    return other

  def undo(self) -> bool:
    """Takes back what was said last and its answer; False if nothing was."""
    if len(self._turns) == self._given:
      return False
    del self._turns[-2:]
    return True

  def _answer(
      self, turns: list[Message], reading: Reading, given: dict[str, Any],
      stops: Sequence[str],
  ) -> Iterator[str]:
    """Writes the answer to what has been read."""
    self._reading = reading
    if self._slots is None or not self._slots.fits(reading):
      self._slots = self._model.slots(reading, count=1)
    slots = self._slots
    row = slots.put(
        reading, max_new_tokens=given['max_new_tokens'],
        draws=inputs.draws(given, self._model.config.decoder.vocab),
        seed=given['seed'],
    )
    ends = (*stops, *(self._dialogue.stops if self._dialogue else ()))
    answer = AnswerText(
        self._model.vocabulary, reading.document.tokens, ends
    )
    end = ''
    try:
      while not end and not answer.has_stopped:
        piece = slots.advance()[row]
        end = piece.end
        if new := answer.add(piece.tokens, is_last=bool(end)):
          yield new
    finally:
      slots.drop(row)
      said = [answer.text] if answer.text else []
      if self._dialogue is None and end == 'stop':
        said.append(END_OF_CHUNK)
      self._turns = [*turns, ('assistant', said)]

  def _read(self, prompt: list[Any], new_tokens: int) -> Reading:
    return self._model.read(
        prompt, max_new_tokens=new_tokens, near=self._reading, **self._sampling
    )

  def _prompt(self, turns: Sequence[Message]) -> list[Any]:
    if self._dialogue is None:
      said = [part for _, parts in turns for part in parts]
      return [*self._prefix, *said]
    return [*self._prefix, *self._dialogue.parts(turns)]

  def _as_parts(self, parts: Any) -> list[Any]:
    """A list of parts, whose texts are not empty."""
    if not isinstance(parts, (list, tuple)):
      parts = [parts]
    found, is_single = inputs.as_list(parts)
    if not is_single:
      raise UserError(
          f'one list of parts is said at a time, and not {len(found)} lists'
      )
    return list(found[0])
