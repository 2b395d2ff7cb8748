# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Asks an OpenAI-style server over HTTP, patiently."""

from collections.abc import Callable, Mapping
import json
import os
import threading
import time
from typing import Any
import urllib.error
import urllib.parse
import urllib.request

from flamingo_jax.errors import UserError, shown

KEY = 'OPENAI_API_KEY'  # the variable of the environment
_TRIES = 6
_LONGEST_WAIT = 60.0  # seconds between two tries
_SECONDS = 300.0  # without a byte of the reply
# What may be otherwise a moment later.
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class Refused(UserError):
  """The server understood, and does not do it: its status and sentence."""

  def __init__(self, url: str, status: int, told: str):
    super().__init__(f'{url} answered {status}: {told}')
    self.status, self.told = status, told


class Client:
  """Sends bodies to one server; may be used by several threads."""

  def __init__(
      self, url: str, requests_per_minute: float | None = None,
      sleep: Callable[[float], None] = time.sleep,
  ):
    """Asks nothing yet.

    Args:
      url: what comes before /chat/completions, mostly ending with /v1.
      requests_per_minute: at most; None: as fast as answers come.
      sleep: waits so many seconds.

    Raises:
      UserError: it is no address of the web.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ('http', 'https') or not parts.netloc:
      raise UserError(
          f'the endpoint {shown(url)} is no address: give one such as '
          'http://127.0.0.1:8000/v1'
      )
    if requests_per_minute is not None and not requests_per_minute > 0:
      raise UserError(
          f'requests_per_minute is {requests_per_minute} and must be above 0'
      )
    self.url, self._sleep = url.rstrip('/'), sleep
    self._apart = 60 / requests_per_minute if requests_per_minute else 0.0
    self._next, self._lock = 0.0, threading.Lock()

  def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What the server replies to a body.

    Raises:
      Refused: it will not do this, whenever it is asked.
      UserError: it cannot be reached, errs again and again, or replies what is
        no JSON object.
    """
    url, wait = f'{self.url}/{path}', 1.0
    data = json.dumps(body).encode()
    for tries_left in reversed(range(_TRIES)):
      self._wait_for_turn()
      try:
        return _object(url, self._send(url, data))
      except urllib.error.HTTPError as error:
        told, asked_wait = _sentence(error), error.headers.get('Retry-After')
        if error.code not in _PASSING:
          raise Refused(url, error.code, told) from None
        problem = f'answered {error.code} ({told})'
        wait = max(wait, _seconds(asked_wait))
      except OSError as error:  # URLError and TimeoutError are some
        problem = f'cannot be reached ({getattr(error, "reason", error)})'
      except ValueError as error:
        problem = f'replied what is no JSON object ({error})'
      if tries_left:
        self._sleep(min(wait, _LONGEST_WAIT))
        wait *= 2
    raise UserError(
        f'{url} {problem}, {_TRIES} times in a row: run the same command again '
        'later; it goes on where it stopped'
    )

  def _send(self, url: str, data: bytes) -> bytes:
    headers = {'Content-Type': 'application/json'}
    if key := os.environ.get(KEY):
      headers['Authorization'] = f'Bearer {key}'
    request = urllib.request.Request(url, data, headers)
    with urllib.request.urlopen(request, timeout=_SECONDS) as reply:
      return reply.read()

  def _wait_for_turn(self) -> None:
    if not self._apart:
      return
    with self._lock:
      now = time.monotonic()
      turn = max(self._next, now)
      self._next = turn + self._apart
    self._sleep(turn - now)


def _object(url: str, data: bytes) -> dict[str, Any]:
  found = json.loads(data)
  if not isinstance(found, dict):
    raise ValueError(f'it is {shown(found)}')
  return found


def _sentence(error: urllib.error.HTTPError) -> str:
  """What a server says went wrong, as OpenAI's does, or the whole of it."""
  body = error.read(10_000).decode(errors='replace')
  try:
    found = json.loads(body)
    found = found.get('error', found)
    return str(found.get('message', found) if isinstance(found, dict) else found)
  except (ValueError, AttributeError):
    return body.strip() or error.reason


def _seconds(retry_after: str | None) -> float:
  try:
    return float(retry_after or 0)
  except ValueError:  # a date
    return 0.0
