# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Messages and prompts of OpenAI's form, as parts of a prompt of ours."""

from collections.abc import Callable
from typing import Any

from flamingo_jax.data import data_uri
from flamingo_jax.data.documents import EndOfChunk
from flamingo_jax.data.media import Media
from flamingo_jax.errors import UserError, shown
from flamingo_jax.serving.decoding_ahead import Decoder
from flamingo_jax.serving.limits import Limits
from flamingo_jax.serving.refusals import refuse

Parts = list[str | Media | EndOfChunk]  # in reading order
Message = tuple[str, Parts]  # the role that speaks, and what it says

_ROLES = {
    'system': 'system', 'developer': 'system', 'user': 'user',
    'assistant': 'assistant',
}
_MEDIA = {
    'image_url': 'image', 'video_url': 'video', 'features_url': 'features',
}
_EXAMPLE = '{"type": "image_url", "image_url": {"url": "data:image/png;base64,..."}}'
# A video as its frames, which other servers take too: base64 of JPEGs, with
# commas between them.
_FRAMES = 'data:video/jpeg;base64'
_KEYS = frozenset({'role', 'content', 'name'})
# Of a message that holds nothing else of the kind.
_EMPTY = (None, [], '')
_MOST_MESSAGES = 10_000


class Contents:
  """Reads what messages and prompts hold, of one request."""

  def __init__(
      self, limits: Limits, decoder: Decoder, fetch: Callable[[str], bytes]
  ):
    """Begins with no media.

    Args:
      limits: of a request.
      decoder: of its media.
      fetch: gives the bytes at an address of the web, or refuses to.
    """
    self._limits, self._decoder, self._fetch = limits, decoder, fetch
    self._media = 0

  def messages(self, given: Any) -> list[Message]:
    """What each role says, in order."""
    if not isinstance(given, list) or not 0 < len(given) <= _MOST_MESSAGES:
      raise refuse(
          'messages', f'messages are {shown(given)}, and must be a list such as '
          '[{"role": "user", "content": "Hello"}]'
      )
    return [
        self._message(message, f'messages[{i}]')
        for i, message in enumerate(given)
    ]

  def prompts(self, given: Any) -> list[Parts]:
    """Prompts: a text, several, or the parts of one as of a message."""
    if isinstance(given, str):
      given = [given]
    if not isinstance(given, list) or not given:
      raise refuse(
          'prompt', f'prompt is {shown(given)}, and must be a text, a list of '
          f'texts, or a list of parts such as {_EXAMPLE}'
      )
    if all(isinstance(text, str) for text in given):
      return [[text] for text in given]
    return [self._parts(given, 'prompt')]

  def _message(self, message: Any, place: str) -> Message:
    if not isinstance(message, dict):
      raise refuse('messages', f'{place} is {shown(message)}, and must be an '
                   'object with a role and a content')
    role = message.get('role')
    if not isinstance(role, str) or role not in _ROLES:
      raise refuse('messages', f'{place}.role is {shown(role)}, and must be one '
                   f'of {", ".join(_ROLES)}')
    for key, value in message.items():
      if key not in _KEYS and value not in _EMPTY:
        raise refuse('messages', f'{place} has {shown(key)}, which this server '
                     'cannot read; leave it out')
    content = message.get('content')
    if isinstance(content, str):
      return _ROLES[role], [content]
    if not isinstance(content, list) or not content:
      raise refuse('messages', f'{place}.content is {shown(content)}, and must '
                   f'be a text or a list of parts such as {_EXAMPLE}')
    return _ROLES[role], self._parts(content, f'{place}.content')

  def _parts(self, parts: list[Any], place: str) -> Parts:
    return [
        self._part(part, f'{place}[{i}]') for i, part in enumerate(parts)
    ]

  def _part(self, part: Any, place: str) -> str | Media:
    kind = part.get('type') if isinstance(part, dict) else None
    if kind == 'text' and isinstance(part.get('text'), str):
      return part['text']
    if isinstance(kind, str) and kind in _MEDIA:
      address = part.get(kind)
      if isinstance(address, dict):
        address = address.get('url')
      if isinstance(address, str) and address:
        return self._medium(_MEDIA[kind], address, place)
    raise refuse(
        _field(place), f'{place} is {shown(part)}, and must be a part such as '
        '{"type": "text", "text": "..."} or '
        f'{_EXAMPLE}'
    )

  def _medium(self, kind: str, address: str, place: str) -> Media:
    self._media += 1
    if self._media > self._limits.pictures:
      raise refuse(_field(place), f'{place} is picture {self._media}, and '
                   f'{self._limits.pictures} are the most of a request')
    try:
      head, _, frames = address.partition(',')
      if kind == 'video' and head == _FRAMES:
        return self._decoder.clip(place, [
            data_uri.decode(f'data:image/jpeg;base64,{frame}')
            for frame in frames.split(',')
        ])
      if data_uri.is_data_uri(address):
        return self._decoder.data_uri(kind, place, address)
      return self._decoder.medium(Media(kind, place, self._fetch(address)))
    except UserError as error:
      told = str(error)
      told = told if told.startswith(place) else f'{place}: {told}'
      raise refuse(_field(place), told) from None


def _field(place: str) -> str:
  return place.partition('[')[0]
