# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluates a model behind an OpenAI-style server.

A shot is two turns: the user shows its media and asks, the assistant answers.
The query is the last turn of the user. Candidates are ranked by what the server
offers, the first of:

  candidates  log-likelihoods of each whole candidate (`flamingo serve`)
  log_probs   log-probabilities of the first token that it would say
  text        what it says, if that names a candidate
"""

from collections.abc import Callable, Sequence
from concurrent import futures
import base64
import functools
import hashlib
import io
import math
import re
from typing import Any

import numpy as np
import PIL.Image

from flamingo_jax.data import media as media_reader
from flamingo_jax.data.documents import EndOfChunk
from flamingo_jax.data.media import Media
from flamingo_jax.errors import UserError, shown
from flamingo_jax.evaluation.endpoint_client import Client, Refused
from flamingo_jax.evaluation.prompts import Prompt

_PATH = 'chat/completions'
_NEWER_LIMIT = 'max_completion_tokens'
_ALTERNATIVES = 20  # as many first tokens as OpenAI tells of
_FRAME = 512  # pixels a side of the frames of videos that are sent
# What candidates, or answers that name one, are compared without.
_UNSAID = re.compile(r'[\W_]+')
_AHEAD = 1e-4  # nats, of candidates that are as likely
_PROBE = 'Is water wet? Answer yes or no.'


class Endpoint:
  """An `answering.Answerer` that asks a server.

  Attributes:
    vocabulary: None: the server does not tell its tokens.
    context: None, likewise.
    ranks_by: how candidates are ranked; the server is asked for it once.
  """

  vocabulary = None
  context = None

  def __init__(self, client: Client, model: str):
    """Asks nothing yet.

    Args:
      client: of the server.
      model: its name there.
    """
    self._client, self.model = client, model
    self._limit = 'max_tokens'  # until the server asks for the newer name

  @functools.cached_property
  def ranks_by(self) -> str:
    """'candidates', 'log_probs' or 'text'."""
    messages = [{'role': 'user', 'content': _PROBE}]
    for name, more in (
        ('candidates', {'candidates': ['yes', 'no']}),
        ('log_probs', {'logprobs': True, 'top_logprobs': _ALTERNATIVES}),
    ):
      try:
        reply = self._ask(messages, 1, **more)
      except Refused as error:
        if error.status not in (400, 403, 404, 422):
          raise
        continue
      if _offers(reply, name):
        return name
    return 'text'

  def describe(self, is_close_ended: bool) -> dict[str, Any]:
    """What a card says of the model; what it is stays with its server."""
    told = {'endpoint': self._client.url, 'name': self.model, 'model_dir': None}
    if is_close_ended:
      told['ranks_by'] = self.ranks_by
    digest = hashlib.sha256(f'{self._client.url} {self.model}'.encode())
    return told | {'sha256': digest.hexdigest()}

  def generate(
      self, prompts: Sequence[Prompt], *, max_new_tokens: int, beams: int,
      batch_size: int, prefix: Prompt, frames: int | None = None,
      fps: float | None = None,
  ) -> list[str]:
    """What it says after the prefix and each prompt, always the likeliest token.

    Args:
      prompts: one of each answer.
      max_new_tokens: of an answer.
      beams: 1, as servers have no other.
      batch_size: how many are asked at once.
      prefix: stands in front of each.
      frames: to send of a video.
      fps: of these.
    """
    if beams != 1:
      raise UserError(f'beams are {beams}, and an endpoint has no beam search')
    return self._each(prompts, prefix, batch_size, frames, fps, lambda messages: (
        _text(self._ask(messages, max_new_tokens))
    ))

  def score(
      self, prompts: Sequence[Prompt], candidates: Sequence[str], *,
      separator: str, batch_size: int, prefix: Prompt,
      frames: int | None = None, fps: float | None = None,
  ) -> np.ndarray:
    """f32[prompts C], as `ranks_by` says; NaN where the answer names none.

    The server puts a separator where text touches text.
    """
    del separator
    room = max(16, *(len(text) for text in candidates))  # a token a character
    say = {
        'candidates': lambda messages: _log_likelihoods(self._ask(
            messages, 0, candidates=list(candidates)
        ), candidates),
        'log_probs': lambda messages: _by_first_token(self._ask(
            messages, room, logprobs=True, top_logprobs=_ALTERNATIVES
        ), candidates),
        'text': lambda messages: by_text(
            _text(self._ask(messages, room)), candidates
        ),
    }[self.ranks_by]
    return np.array(
        self._each(prompts, prefix, batch_size, frames, fps, say), np.float32
    )

  def embed(
      self, media: Sequence[Media], *, frames: int | None = None,
      fps: float | None = None,
  ) -> np.ndarray:
    """Raises UserError: a server tells no features."""
    raise UserError(
        'RICES compares features of the vision encoder, which an endpoint does '
        'not tell: leave --rices out'
    )

  def _each(
      self, prompts: Sequence[Prompt], prefix: Prompt, at_once: int,
      frames: int | None, fps: float | None, ask: Callable[[list], Any],
  ) -> list[Any]:
    address = functools.lru_cache(256)(functools.partial(_address, frames, fps))
    with futures.ThreadPoolExecutor(at_once) as pool:
      waiting = [
          pool.submit(lambda parts=(*prefix, *prompt): ask(
              messages(parts, address)
          )) for prompt in prompts
      ]
      try:
        return [answer.result() for answer in waiting]
      except BaseException:
        for answer in waiting:
          answer.cancel()
        raise

  def _ask(
      self, messages: list[Any], max_tokens: int, **more: Any
  ) -> dict[str, Any]:
    body = {'model': self.model, 'messages': messages, 'temperature': 0, **more}
    try:
      return self._client.post(_PATH, body | {self._limit: max_tokens})
    except Refused as error:
      if _NEWER_LIMIT not in error.told or self._limit == _NEWER_LIMIT:
        raise
    self._limit = _NEWER_LIMIT
    return self._client.post(_PATH, body | {self._limit: max_tokens})


def messages(
    parts: Prompt, address: Callable[[Media], str]
) -> list[dict[str, Any]]:
  """The turns of a few-shot prompt.

  Args:
    parts: of `prompts.join`: the last part before an END_OF_CHUNK is an answer.
    address: of a medium, as a data: URI.
  """
  turns, said = [], []

  def user():
    if said:
      turns.append({'role': 'user', 'content': said.copy()})
      said.clear()

  for part in parts:
    if isinstance(part, EndOfChunk):
      answer = said.pop()['text'] if said else ''
      user()
      turns += [{'role': 'assistant', 'content': answer}] * bool(answer)
    elif isinstance(part, Media):
      kind = f'{part.kind}_url'
      said.append({'type': kind, kind: {'url': address(part)}})
    else:
      said.append({'type': 'text', 'text': part})
  user()
  return turns


def _address(frames: int | None, fps: float | None, medium: Media) -> str:
  """A picture as its file, a video as JPEGs of the frames that are read."""
  if medium.kind == 'image':
    if isinstance(medium.data, np.ndarray):
      return _data_uri('image/png', _encoded(medium.data, 'PNG'))
    data = media_reader.read_file(medium)
    with PIL.Image.open(io.BytesIO(data)) as picture:
      kind = PIL.Image.MIME.get(picture.format, 'image/png')
    return _data_uri(kind, data)
  pixels, mask = media_reader.load_frames(medium, frames, _FRAME, None, fps)
  return 'data:video/jpeg;base64,' + ','.join(
      base64.b64encode(_encoded(frame, 'JPEG')).decode()
      for frame in pixels[mask]
  )


def _encoded(pixels: np.ndarray, form: str) -> bytes:
  file = io.BytesIO()
  PIL.Image.fromarray(pixels).save(file, form, quality=95)
  return file.getvalue()


def _data_uri(kind: str, data: bytes) -> str:
  return f'data:{kind};base64,{base64.b64encode(data).decode()}'


def _offers(reply: dict[str, Any], name: str) -> bool:
  if name == 'candidates':
    return bool(reply.get('candidates'))
  return bool(_first_tokens(reply))


def _choice(reply: dict[str, Any]) -> dict[str, Any]:
  try:
    choice = reply['choices'][0]
    if isinstance(choice['message'], dict):
      return choice
  except (KeyError, IndexError, TypeError):
    pass
  raise UserError(
      f'the endpoint replied {shown(reply)}, which has no choices[0].message: it '
      'does not speak as OpenAI does'
  )


def _text(reply: dict[str, Any]) -> str:
  """What was said; nothing, where a server says null.

  Raises:
    UserError: it is no text, or was cut before it began.
  """
  choice = _choice(reply)
  content = choice['message'].get('content')
  if content is not None and not isinstance(content, str):
    raise UserError(f'the endpoint replied the content {shown(content)}, and it '
                    'must be a text')
  if not content and choice.get('finish_reason') == 'length':
    raise UserError(
        'the endpoint cut off its answer before it began (finish_reason '
        "'length'): a model that thinks first needs more tokens than a benchmark "
        'gives; turn its thinking off, or name another model'
    )
  return content or ''


def _log_likelihoods(
    reply: dict[str, Any], candidates: Sequence[str]
) -> list[float]:
  found = reply.get('candidates') or []
  try:
    if len(found) != len(candidates):
      raise UserError(
          f'the endpoint scored {len(found)} of {len(candidates)} candidates, '
          'and all of them when it was first asked'
      )
    scores = [float(candidate['log_prob']) for candidate in found]
    texts = [candidate.get('text', text) for candidate, text in zip(
        found, candidates
    )]
  except (TypeError, ValueError, KeyError, AttributeError):
    scores, texts = [math.nan], candidates
  if any(map(math.isnan, scores)) or texts != list(candidates):
    raise UserError(
        f'the endpoint replied the candidates {shown(found)}: there must be a '
        'log_prob of each, in the order in which they were asked'
    )
  return scores


def _first_tokens(reply: dict[str, Any]) -> list[tuple[str, float]]:
  """Texts and log-probabilities of what the first token could have been."""
  log_probs = _choice(reply).get('logprobs')
  try:
    found = (log_probs or {}).get('content') or []
    return [
        (str(other['token']), float(other['logprob']))
        for other in (found[0].get('top_logprobs') or [] if found else [])
    ]
  except (TypeError, ValueError, KeyError, AttributeError):
    raise UserError(
        f'the endpoint replied the logprobs {shown(log_probs)}, which are not as '
        "OpenAI's are"
    ) from None


def _by_first_token(
    reply: dict[str, Any], candidates: Sequence[str]
) -> list[float]:
  """Of each candidate the likeliest first token that it begins with.

  Candidates that begin alike are told apart by what was said. What is not among
  the likeliest tokens is less likely than they are.
  """
  tokens = [
      (_plain(token), log_prob) for token, log_prob in _first_tokens(reply)
  ]
  tokens = [(token, log_prob) for token, log_prob in tokens if token]
  said = by_text(_text(reply), candidates)
  if not tokens:
    return said
  least = min(log_prob for _, log_prob in tokens) - 1
  scores = [
      max((log_prob for token, log_prob in tokens
           if _plain(candidate).startswith(token)), default=least)
      for candidate in candidates
  ]
  if max(scores) == least:  # none of what it would say is a candidate
    return said
  ahead = 0.0 if math.isnan(said[0]) else _AHEAD
  return [score + ahead * one for score, one in zip(scores, said)]


def by_text(text: str, candidates: Sequence[str]) -> list[float]:
  """1 for the candidate that a text names, 0 for others; NaN if it names none.

  It is the text, or what the text names first; of several that begin at the
  same word, the longest.
  """
  plain, whole = f' {_plain(text)} ', text.strip()
  places = {
      i: 0 if whole == candidate.strip() else plain.find(f' {words} ')
      for i, candidate in enumerate(candidates)
      if (words := _plain(candidate)) or whole == candidate.strip()
  }
  named = [
      (place, -len(candidates[i]), i) for i, place in places.items() if place >= 0
  ]
  if not named:
    return [math.nan] * len(candidates)
  *_, chosen = min(named)
  return [float(i == chosen) for i in range(len(candidates))]


def _plain(text: str) -> str:
  """Words in lower case, a space between them."""
  return _UNSAID.sub(' ', text.casefold()).strip()
