# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From the body of a request to what the engine is asked."""

from collections.abc import Sequence
from concurrent import futures
import dataclasses
import functools
import threading
from typing import Any

from flamingo_jax.data.documents import END_OF_CHUNK
from flamingo_jax.models import FlamingoConfig
from flamingo_jax.models.vision import picture_size
from flamingo_jax.predictor import Predictor
from flamingo_jax.serving import bodies
from flamingo_jax.serving import fetching
from flamingo_jax.serving.bodies import Options
from flamingo_jax.serving.contents import Contents, Message, Parts
from flamingo_jax.serving.decoding_ahead import Decoder
from flamingo_jax.serving.limits import Limits
from flamingo_jax.serving.refusals import checked, refuse

_AT_ONCE = 2  # bodies that are parsed: each may be made to take a gigabyte
_THREADS = 16  # most of them wait for what is fetched

@dataclasses.dataclass(frozen=True)
class Asked:
  """What a request asks for."""

  prompts: list[Parts]
  options: Options
  stops: tuple[str, ...]  # at which answers end
  streams: bool
  has_usage: bool  # at the end of a stream


def plain(messages: Sequence[Message]) -> list[Any]:
  """What was said as it stands, one part behind the other.

  What the model has said, it has ended, unless it is to go on.
  """
  parts = []
  for role, said in messages:
    parts += said
    if role == 'assistant':
      parts.append(END_OF_CHUNK)
  return parts[:-1] if parts[-1] is END_OF_CHUNK else parts


class Asking:
  """Understands bodies, in threads of its own.

  Attributes:
    pool: these threads.
  """

  def __init__(
      self, model: Predictor, name: str, limits: Limits, hosts: frozenset[str],
      is_plain: bool,
  ):
    """Args of the server.

    Args:
      model: that is asked; only its configuration and vocabulary are used.
      name: that requests may call it.
      limits: of requests.
      hosts: that pictures are fetched from.
      is_plain: whether messages stand as they are, without who speaks.
    """
    self.pool = futures.ThreadPoolExecutor(_THREADS, 'asking')
    self._name, self._limits, self._model = name, limits, model
    self._dialogue = None if is_plain else model.dialogue
    self._stops = self._dialogue.stops if self._dialogue else ()
    self._fetch = functools.partial(
        fetching.fetch, hosts=hosts, most=limits.body_bytes
    )
    config, size = model.config, None
    if isinstance(config, FlamingoConfig):
      size = picture_size(config.vision, config.image_size)
    self._decoder = Decoder(size, model.frames, model.fps, limits.pixels)
    self._turn = threading.Semaphore(_AT_ONCE)

  def understand(self, raw: bytes, is_chat: bool) -> Asked:
    """What a body asks for, its media decoded.

    Raises:
      Refusal: it makes no sense, or is beyond the limits.
    """
    known = bodies.CHAT if is_chat else bodies.COMPLETION
    body = self._parse(raw, known)
    options = bodies.read_options(body, self._limits, is_chat)
    prompts = self._prompts(body, is_chat)
    if len(prompts) * options.answers > self._limits.answers:
      raise refuse(
          'n', f'{len(prompts)} prompts with {options.answers} answers each are '
          f'more than {self._limits.answers}, the most of a request'
      )
    if options.candidates and len(prompts) > 1:
      raise refuse(
          'candidates', 'candidates are scored behind one prompt, and not '
          f'{len(prompts)}: ask for each by itself'
      )
    return Asked(
        prompts, options,
        (*options.stops, *(self._stops if is_chat else ())),
        bodies.is_set(body, 'stream'), bodies.wants_usage(body),
    )

  def explain(self, raw: bytes) -> dict[str, Any]:
    """Which medium each token of a prompt sees.

    Raises:
      Refusal: as of `understand`.
    """
    body = self._parse(raw, bodies.CHAT | bodies.COMPLETION)
    parts, *more = self._prompts(body, 'prompt' not in body)
    if more:
      raise refuse('prompt', 'one prompt is explained at a time, and there are '
                   f'{1 + len(more)}')
    document = checked(None, lambda: self._model.tokenize(parts))
    pieces = self._model.vocabulary.pieces(document.tokens)
    return {
        'tokens': [
            {'text': piece, 'medium': medium}
            for piece, medium in zip(pieces, document.media_index.tolist())
        ],
        'media': len(document.media),
    }

  def _parse(self, raw: bytes, known: frozenset[str]) -> dict[str, Any]:
    with self._turn:
      body = bodies.parse(raw)
    bodies.check_fields(body, known)
    bodies.check_model(body, self._name)
    return body

  def _prompts(self, body: dict[str, Any], is_chat: bool) -> list[Parts]:
    contents = Contents(self._limits, self._decoder, self._fetch)
    if not is_chat:
      return contents.prompts(body.get('prompt'))
    messages = contents.messages(body.get('messages'))
    if self._dialogue is None:
      return [plain(messages)]
    return [checked('messages', lambda: self._dialogue.parts(messages))]
