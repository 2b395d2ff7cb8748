# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Asks an OpenAI-style server over HTTP, patiently."""

from collections.abc import Callable, Mapping
import email.utils
import html
import http.client
import json
import os
import re
import threading
import time
from typing import Any
import urllib.error
import urllib.parse
import urllib.request

from flamingo_jax import progress
from flamingo_jax.errors import UserError, one_line, shown

KEY = 'OPENAI_API_KEY'  # the variable of the environment
_TRIES = 6
_LONGEST_WAIT = 60.0  # seconds between two tries
_SECONDS = 300.0  # without a byte of the reply
_ALL_SECONDS = 600.0  # of a whole reply, which may come byte by byte
_PIECE = 65_536  # bytes of a reply that are waited for
_TITLE = re.compile(r'<title[^>]*>(.*?)</title>', re.I | re.S)
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
          f'the endpoint {shown(url)} is not an address: give one such as '
          'http://127.0.0.1:8000/v1'
      )
    if requests_per_minute is not None and not requests_per_minute > 0:
      raise UserError(
          f'requests_per_minute is {requests_per_minute} and must be above 0'
      )
    self.url, self._sleep = url.rstrip('/'), sleep
    self._apart = 60 / requests_per_minute if requests_per_minute else 0.0
    self._next, self._lock = 0.0, threading.Lock()
    self._told: set[str] = set()  # each kind of problem once, not for each try

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
        found = _object(self._send(url, data))
        status, told = _error_within(found)
        if not told:
          return found
      except urllib.error.HTTPError as error:
        status, told = error.code, _sentence(error)
        wait = max(wait, _seconds(error.headers.get('Retry-After')))
      except OSError as error:  # URLError and TimeoutError are some
        status = None
        problem = f'cannot be reached ({getattr(error, "reason", error)})'
      except http.client.HTTPException as error:
        status = None
        problem = f'broke off its reply ({type(error).__name__})'
      except (ValueError, RecursionError) as error:
        status = None
        problem = f'replied with something other than a JSON object ({error})'
      if status is not None:
        if status not in _PASSING:
          raise Refused(url, status, told)
        problem = f'answered {status} ({told})'
      if tries_left:
        self._tell(url, problem)
        self._sleep(min(wait, _LONGEST_WAIT))
        wait *= 2
    raise UserError(
        f'{url} {problem}, {_TRIES} times in a row: run the same command again '
        'later; it goes on where it stopped'
    )

  def _tell(self, url: str, problem: str) -> None:
    kind = problem.partition(' (')[0]  # the rest may differ each time
    with self._lock:
      is_new = kind not in self._told
      self._told.add(kind)
    if is_new:
      progress.say(one_line(f'{url} {problem}: trying again'))

  def _send(self, url: str, data: bytes) -> bytes:
    headers = {'Content-Type': 'application/json'}
    if key := os.environ.get(KEY):
      headers['Authorization'] = f'Bearer {key}'
    request = urllib.request.Request(url, data, headers)
    end, pieces = time.monotonic() + _ALL_SECONDS, []
    with urllib.request.urlopen(request, timeout=_SECONDS) as reply:
      while piece := reply.read1(_PIECE):
        pieces.append(piece)
        if time.monotonic() > end:
          raise TimeoutError(f'its reply is not whole after {_ALL_SECONDS:g} s')
      if reply.length:  # what it said and did not send
        raise http.client.IncompleteRead(b'', reply.length)
    return b''.join(pieces)

  def _wait_for_turn(self) -> None:
    if not self._apart:
      return
    with self._lock:
      now = time.monotonic()
      turn = max(self._next, now)
      self._next = turn + self._apart
    self._sleep(turn - now)


def _object(data: bytes) -> dict[str, Any]:
  found = json.loads(data)
  if not isinstance(found, dict):
    raise ValueError(f'it is {shown(found)}')
  return found


def _error_within(found: Mapping[str, Any]) -> tuple[int | None, str]:
  """The status and sentence of an error that a server calls a success."""
  error = found.get('error')
  if not error or found.get('choices'):
    return None, ''
  code = error.get('code') if isinstance(error, dict) else None
  return code if type(code) is int else 500, _told(error)


def _sentence(error: urllib.error.HTTPError) -> str:
  """What a server says went wrong, as OpenAI's does, or the begin of it."""
  try:
    body = error.read(10_000).decode(errors='replace')
  except (OSError, http.client.HTTPException):
    return error.reason
  try:
    found = json.loads(body)
    return _told(found.get('error', found))
  except (ValueError, RecursionError, AttributeError):
    pass
  if '<html' in body[:1000].lower():
    title = _TITLE.search(body)
    body = html.unescape(title[1]) if title else ''
  return one_line(' '.join(body.split())) or error.reason


def _told(error: Any) -> str:
  """The sentence of an 'error' in a reply."""
  message = error.get('message', error) if isinstance(error, dict) else error
  return one_line(str(message))


def _seconds(retry_after: str | None) -> float:
  """Of the header, which has a number or a date."""
  try:
    return float(retry_after or 0)
  except ValueError:
    pass
  try:
    date = email.utils.parsedate_to_datetime(retry_after)
    return date.timestamp() - time.time()
  except (ValueError, OverflowError):
    return 0.0
