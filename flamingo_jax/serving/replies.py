# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What is told of answers, as OpenAI's JSON has it."""

from collections.abc import Iterable, Sequence
import dataclasses
import json
import math
import secrets
import time
from typing import Any

from flamingo_jax.serving.requests import Began, Said, TokenLogProb

_OBJECTS = {
    # Whole, and a piece of a stream.
    'chat': ('chat.completion', 'chat.completion.chunk', 'chatcmpl-'),
    'completion': ('text_completion', 'text_completion', 'cmpl-'),
}


@dataclasses.dataclass
class _Answer:
  """One answer as far as it has come."""

  text: str = ''
  held: str = ''  # white space at its end, of a chat
  tokens: int = 0
  end: str = ''
  log_probs: list[TokenLogProb] = dataclasses.field(default_factory=list)

  def strip(self, text: str, is_last: bool) -> str:
    """What goes on, without the white space around the whole answer."""
    text = self.held + text
    text = text if self.text else text.lstrip()
    found = text.rstrip()
    self.held = '' if is_last else text[len(found) :]
    return found


class Reply:
  """Puts together what the engine tells of all answers of a request.

  Answers of the i-th prompt are numbered behind those of the prompts before it.
  """

  def __init__(
      self, kind: str, model: str, prompts: int, answers: int,
      candidates: Sequence[str], has_log_probs: bool,
  ):
    """Begins with nothing said.

    Args:
      kind: 'chat' or 'completion'.
      model: its name.
      prompts: how many.
      answers: to each of them.
      candidates: whose scores are told.
      has_log_probs: whether those of tokens are told.
    """
    self._kind, self._candidates = kind, candidates
    self._per_prompt, self._has_log_probs = answers, has_log_probs
    self._answers = [_Answer() for _ in range(prompts * answers)]
    self._began: dict[int, Began] = {}
    whole, piece, prefix = _OBJECTS[kind]
    self._objects = whole, piece
    self.name = prefix + secrets.token_hex(12)
    self._model, self._created = model, int(time.time())

  @property
  def is_whole(self) -> bool:
    """Whether all answers have ended."""
    return all(answer.end for answer in self._answers)

  def add(self, prompt: int, event: Began | Said) -> list[dict[str, Any]]:
    """The pieces of a stream that tell of an event."""
    if isinstance(event, Began):
      self._began[prompt] = event
      return self._first_pieces(prompt, event)
    number = prompt * self._per_prompt + event.answer
    answer = self._answers[number]
    log_probs = self._log_probs(event.log_probs, len(answer.text))
    text = event.text
    if self._kind == 'chat':
      text = answer.strip(text, is_last=bool(event.end))
    answer.text += text
    answer.log_probs += event.log_probs
    answer.tokens, answer.end = event.tokens, event.end
    pieces = []
    if text or event.log_probs:
      pieces.append(self._piece(number, text, log_probs, None))
    if event.end:
      pieces.append(self._piece(number, '', None, event.end))
    return pieces

  def whole(self) -> dict[str, Any]:
    """All of it, as one object."""
    choices = []
    for number, answer in enumerate(self._answers):
      said = {'text': answer.text}
      if self._kind == 'chat':
        said = {'message': {
            'role': 'assistant', 'content': answer.text, 'refusal': None,
        }}
      choices.append({
          'index': number, **said,
          'logprobs': self._log_probs(answer.log_probs, 0),
          'finish_reason': answer.end,
      })
    return self._object(0, choices) | self._scores(0) | self.usage()

  def usage(self) -> dict[str, Any]:
    """How many tokens there were."""
    prompt = sum(began.prompt_tokens for began in self._began.values())
    answers = sum(answer.tokens for answer in self._answers)
    kept = sum(began.kept_tokens for began in self._began.values())
    return {'usage': {
        'prompt_tokens': prompt, 'completion_tokens': answers,
        'total_tokens': prompt + answers,
        'prompt_tokens_details': {'cached_tokens': kept},
    }}

  def usage_piece(self) -> dict[str, Any]:
    """The last piece of a stream, if it is asked for."""
    return self._object(1, []) | self.usage()

  def _object(self, which: int, choices: list[Any]) -> dict[str, Any]:
    return {
        'id': self.name, 'object': self._objects[which],
        'created': self._created, 'model': self._model,
        'choices': choices,
    }

  def _first_pieces(self, prompt: int, began: Began) -> list[dict[str, Any]]:
    """Who speaks, of a chat, and the scores of candidates."""
    pieces = []
    if self._kind == 'chat':
      pieces = [
          self._object(1, [{
              'index': number, 'delta': {'role': 'assistant', 'content': ''},
              'logprobs': None, 'finish_reason': None,
          }]) for number in range(self._per_prompt)
      ]
    if began.scores and not prompt:
      pieces = pieces or [self._object(1, [])]
      pieces[0] |= self._scores(0)
    return pieces

  def _piece(
      self, number: int, text: str, log_probs: Any, end: str | None
  ) -> dict[str, Any]:
    said: dict[str, Any] = {'text': text}
    if self._kind == 'chat':
      said = {'delta': {} if end else {'content': text}}
    return self._object(1, [{
        'index': number, **said, 'logprobs': log_probs, 'finish_reason': end,
    }])

  def _scores(self, prompt: int) -> dict[str, Any]:
    """Log-likelihoods of candidates, and shares that add up to 1."""
    scores = self._began[prompt].scores
    if not scores:
      return {}
    shares = [math.exp(score - max(scores)) for score in scores]
    return {'candidates': [
        {'text': text, 'log_prob': score, 'probability': share / sum(shares)}
        for text, score, share in zip(self._candidates, scores, shares)
    ]}

  def _log_probs(
      self, tokens: Sequence[TokenLogProb], offset: int
  ) -> dict[str, Any] | None:
    if not self._has_log_probs:
      return None
    if self._kind == 'chat':
      return {'content': [
          _chat_token(token) | {
              'top_logprobs': [_chat_token(other) for other in token.likeliest]
          } for token in tokens
      ], 'refusal': None}
    offsets = []
    for token in tokens:
      offsets.append(offset)
      offset += len(token.text)
    return {
        'tokens': [token.text for token in tokens],
        'token_logprobs': [token.log_prob for token in tokens],
        'top_logprobs': [
            {other.text: other.log_prob for other in token.likeliest}
            for token in tokens
        ],
        'text_offset': offsets,
    }


def _chat_token(token: TokenLogProb) -> dict[str, Any]:
  return {
      'token': token.text, 'logprob': token.log_prob,
      'bytes': list(token.text.encode()),
  }


def event_lines(objects: Iterable[Any]) -> bytes:
  """Server-sent events, one of each object."""
  return b''.join(b'data: ' + dumped(x) + b'\n\n' for x in objects)


def dumped(value: Any) -> bytes:
  """JSON of what has no numbers but finite ones."""
  return json.dumps(
      value, ensure_ascii=False, allow_nan=False, separators=(',', ':')
  ).encode()
