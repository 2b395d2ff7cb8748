# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What every request passes: who may ask, what is logged and counted."""

from collections.abc import Collection
import hmac
import logging
import re
import sys
import time
from typing import Any, TextIO

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flamingo_jax.errors import shown
from flamingo_jax.serving.metrics import Metrics
from flamingo_jax.serving.refusals import Refusal
from flamingo_jax.serving.replies import dumped

_LOOPBACK = ('localhost', '127.0.0.1', '[::1]')
# To those who have no token; a path without .., as none of these has a folder.
_OPEN = re.compile(r'/|/healthz|/page/[^/]*')
_LONGEST = 100  # characters of a path in the log


def json_response(
    value: Any, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
  """A whole reply."""
  return Response(
      dumped(value), status, media_type='application/json',
      headers={'x-content-type-options': 'nosniff', **(headers or {})},
  )


def refusal_response(refusal: Refusal) -> Response:
  """Why there is no answer."""
  headers = {}
  if refusal.retry_after is not None:
    headers['retry-after'] = str(refusal.retry_after)
  if refusal.status == 401:
    headers['www-authenticate'] = 'Bearer'
  if refusal.status == 408:
    headers['connection'] = 'close'  # what else comes is not waited for
  return json_response(refusal.body, refusal.status, headers)


class Log(logging.StreamHandler):
  """Lines on standard error; one that cannot be written is counted."""

  def __init__(self, metrics: Metrics, stream: TextIO = sys.stderr):
    """Args: metrics, that count; stream, where lines go."""
    super().__init__(stream)
    self.setFormatter(logging.Formatter('%(asctime)s %(message)s'))
    self._metrics = metrics

  def handleError(self, record: logging.LogRecord) -> None:
    """A full disk does not stop the server."""
    self._metrics.note_lost_line()


class Gate:
  """Lets requests through to an application."""

  def __init__(
      self, app: ASGIApp, metrics: Metrics, log: logging.Logger, token: str,
      host: str, paths: Collection[str],
  ):
    """Args of the server.

    Args:
      app: that answers.
      metrics: that count.
      log: of a line per request.
      token: that requests have to show; '': none.
      host: that is listened at.
      paths: that are counted by themselves, all others together.
    """
    self._app, self._metrics, self._log = app, metrics, log
    self._token, self._paths = token, paths
    # A page of another site may have its name lead here (DNS rebinding); who
    # asks a server of this machine alone then names that site.
    self._hosts = (*_LOOPBACK, host) if is_loopback(host) else ()

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers one request."""
    if scope['type'] != 'http':
      await self._app(scope, receive, send)
      return
    came, status = time.monotonic(), 0

    async def noting(message: Message) -> None:
      nonlocal status
      if message['type'] == 'http.response.start':
        status = message['status']
      await send(message)

    try:
      self._check(scope)
      await self._app(scope, receive, noting)
    except Refusal as refusal:  # of here
      await refusal_response(refusal)(scope, receive, noting)
    finally:
      self._note(scope, status, time.monotonic() - came)

  def _check(self, scope: Scope) -> None:
    headers = {k.lower(): v.decode('latin-1') for k, v in scope['headers']}
    host = headers.get(b'host', '').lower()
    name = host if host.endswith(']') else host.rpartition(':')[0] or host
    if self._hosts and name and name not in self._hosts:
      raise Refusal(
          403, f'this server does not answer to {shown(name)}, only to '
          'localhost: open it by that name'
      )
    if not self._token or _OPEN.fullmatch(scope['path']):
      return
    kind, _, token = headers.get(b'authorization', '').partition(' ')
    if kind.lower() != 'bearer' or not hmac.compare_digest(
        token.strip().encode(), self._token.encode()
    ):
      raise Refusal(
          401, 'this server needs a token: send the header Authorization: '
          'Bearer TOKEN, or api_key= in an OpenAI client', code='invalid_api_key',
      )

  def _note(self, scope: Scope, status: int, seconds: float) -> None:
    path = scope['path'] if scope['path'] in self._paths else 'other'
    self._metrics.note_request(path, status, seconds)
    client = (scope.get('client') or ('-',))[0]
    raw = scope['raw_path'][:_LONGEST].decode('ascii', 'replace')
    self._log.info(
        '%s %s %s %s %.3f s', client, scope['method'][:8], raw, status or 'gone',
        seconds,
    )


def is_loopback(host: str) -> bool:
  """Whether only this machine reaches it."""
  return host in ('localhost', '::1') or host.startswith('127.')
