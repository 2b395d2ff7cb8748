# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A server from the socket that it listens at to its end at SIGTERM."""

from collections.abc import Callable
import errno
import logging
import os
import resource
import signal
import socket
import sys
from typing import Any

from starlette.types import ASGIApp
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from flamingo_jax.errors import UserError
from flamingo_jax.serving.app import make_app
from flamingo_jax.serving.engine import Engine
from flamingo_jax.serving.gate import Log
from flamingo_jax.serving.limits import Limits
from flamingo_jax.serving.metrics import Metrics

# Of Python's lock, in seconds: whoever has an answer to send waits so long for
# the engine's thread. With Python's own 0.005, 64 clients got 4.3 times the tokens
# of one, with this 4.6 to 4.8 (benchmarks/serve.py, two short runs of each).
_TURN = 0.0005
_IDLE = 30.0  # seconds that a connection may take to begin a request


def listen(host: str, port: int) -> socket.socket:
  """A socket that nobody else listens at.

  Who connects waits until the model is there.

  Raises:
    UserError: the place is taken, or none of this machine.
  """
  try:
    family, *_, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    place = socket.socket(family, socket.SOCK_STREAM)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.bind(address)
    place.listen(1024)
    return place
  except OSError as error:
    if error.errno == errno.EADDRINUSE:
      raise UserError(
          f'port {port} of {host} is taken, perhaps by another server: end it, '
          'or give another --port'
      ) from None
    raise UserError(
        f'cannot listen on port {port} of {host} ({error.strerror}): give '
        'another --host or --port'
    ) from None


class _Protocol(H11Protocol):
  """Closes connections whose request does not come."""

  def connection_made(self, transport: Any) -> None:
    super().connection_made(transport)
    self._asked, self._last_cycle = self.loop.time(), None
    self._watch()

  def _watch(self) -> None:
    if self.transport.is_closing():
      return
    # uvicorn makes a cycle for each request whose headers have come.
    now, cycle = self.loop.time(), self.cycle
    if cycle is not self._last_cycle or cycle and not cycle.response_complete:
      self._asked, self._last_cycle = now, cycle
    if now - self._asked > _IDLE:
      self.transport.abort()
      return
    self.loop.call_later(_IDLE / 4, self._watch)


def config(app: ASGIApp, limits: Limits) -> uvicorn.Config:
  """How uvicorn runs an application: nothing but HTTP, and what runs is ended."""
  return uvicorn.Config(
      app, http=_Protocol, ws='none', lifespan='off', log_config=None,
      access_log=False, server_header=False, proxy_headers=False,
      timeout_keep_alive=round(_IDLE),
      timeout_graceful_shutdown=round(limits.seconds + limits.body_seconds),
  )


def run(
    load: Callable[[], Any], *, host: str, port: int, name: str, rows: int,
    limits: Limits, is_plain: bool, hosts: frozenset[str], token: str,
) -> None:
  """Serves a model until SIGTERM or SIGINT, and answers what had come by then.

  Args:
    load: the model.
    host: to listen at.
    port: likewise; 0: any that is free.
    name: that requests may call the model.
    rows: answers of one shape that are written side by side.
    limits: of requests.
    is_plain: whether messages of a chat stand as they are, without who speaks.
    hosts: that pictures are fetched from.
    token: that requests have to show; '': none.

  Raises:
    UserError: the port is taken, or there is no model.
  """
  place = listen(host, port)
  sys.setswitchinterval(_TURN)
  _allow_many_connections()
  metrics = Metrics()
  log = logging.getLogger('flamingo_jax.serving')
  for logger in (log, logging.getLogger('uvicorn.error')):
    logger.handlers, logger.propagate = [Log(metrics)], False
  log.setLevel(logging.INFO)
  model = load()
  engine = Engine(model, limits, metrics, rows)
  try:
    server = uvicorn.Server(config(make_app(
        model, name, engine, metrics, limits, hosts=hosts, token=token,
        host=host,
        is_plain=is_plain, log=log,
    ), limits))
    # uvicorn's own handlers take both, and hand them on when all has ended.
    signal.signal(signal.SIGTERM, lambda *_: None)
    shown = f'[{host}]' if ':' in host else host
    log.info(
        '%s answers at http://%s:%d', name, shown, place.getsockname()[1]
    )
    server.run(sockets=[place])
  finally:
    engine.close()
    _let_go_of_a_full_log()


def _let_go_of_a_full_log() -> None:
  """What libraries wrote to a log on a full disk is no failure of the server.

  Python would end with status 120 where it cannot write what is left of it.
  """
  try:
    sys.stderr.flush()
  except OSError:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _allow_many_connections() -> None:
  """As many files as the system lets this process open."""
  _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
  resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
