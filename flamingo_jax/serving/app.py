# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The endpoints: which path answers what."""

import asyncio
from collections.abc import AsyncIterator
import functools
import logging
import time
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from flamingo_jax.serving import episodes
from flamingo_jax.serving import page_files
from flamingo_jax.serving.asking import Asked, Asking
from flamingo_jax.serving.engine import Engine
from flamingo_jax.serving.gate import Gate, json_response, refusal_response
from flamingo_jax.serving.intake import Intake
from flamingo_jax.serving.limits import Limits
from flamingo_jax.serving.metrics import Metrics
from flamingo_jax.serving.refusals import Refusal, too_late
from flamingo_jax.serving.replies import Reply, event_lines
from flamingo_jax.serving.requests import Event, Request

_GRACE = 5.0  # seconds in which the engine may say itself that it is late
_GONE = -1  # what comes in place of the number of a prompt when nobody listens
_SENTENCES = {
    404: 'there is nothing at this address; /v1/models tells what is asked here',
    405: 'this address takes another method, such as POST',
    500: 'the server failed at this request; its log says why',
}
_STREAM = [
    (b'content-type', b'text/event-stream; charset=utf-8'),
    (b'cache-control', b'no-cache'), (b'x-accel-buffering', b'no'),
]


class Answering:
  """POST of a chat or a completion, an ASGI application."""

  def __init__(
      self, is_chat: bool, name: str, asking: Asking, engine: Engine,
      intake: Intake, limits: Limits,
  ):
    """Args of the server; is_chat says which of the two."""
    self._is_chat, self._name = is_chat, name
    self._asking, self._engine = asking, engine
    self._intake, self._limits = intake, limits

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers one request, or refuses to."""
    came, loop = time.monotonic(), asyncio.get_running_loop()
    request = HttpRequest(scope, receive)
    self._engine.check_room()  # before its body is read
    try:
      async with self._intake.body(request) as raw:
        asked = await loop.run_in_executor(
            self._asking.pool, self._asking.understand, raw, self._is_chat
        )
    except ClientDisconnect:
      return
    deadline = came + self._limits.seconds
    events: asyncio.Queue[tuple[int, Event | None]] = asyncio.Queue()
    gone = asyncio.create_task(_until_gone(receive))
    gone.add_done_callback(lambda _: events.put_nowait((_GONE, None)))
    requests = []
    try:
      async with asyncio.timeout(deadline + 2 * _GRACE - time.monotonic()):
        for number, parts in enumerate(asked.prompts):
          requests.append(Request(
              parts, asked.options, _teller(loop, events, number), deadline,
              asked.stops, came,
          ))
          if not asked.streams:
            requests[-1].is_sent.set()
          self._engine.ask(requests[-1])
        told = _told(events, deadline + _GRACE, self._limits.seconds)
        await self._send(asked, told, requests, scope, send)
    except TimeoutError:  # of who does not read what is sent
      pass
    finally:
      for one in requests:
        one.is_gone = True
      gone.cancel()

  async def _send(
      self, asked: Asked, told: AsyncIterator[tuple[int, Any]],
      requests: list[Request], scope: Scope, send: Send,
  ) -> None:
    reply = Reply(
        'chat' if self._is_chat else 'completion', self._name,
        len(asked.prompts), asked.options.answers, asked.options.candidates,
        asked.options.alternatives is not None,
    )
    has_begun = False
    async for number, event in told:
      if isinstance(event, Refusal):
        if not has_begun:
          raise event
        await _send_part(send, event_lines([event.body]), is_last=True)
        return
      pieces = reply.add(number, event)
      if asked.streams:
        if not has_begun:
          await send({
              'type': 'http.response.start', 'status': 200, 'headers': _STREAM
          })
          has_begun = True
        if pieces:
          await _send_part(send, event_lines(pieces))
          requests[number].is_sent.set()
      if reply.is_whole:
        break
    else:
      return  # nobody listens any more
    if not asked.streams:
      await json_response(reply.whole())(scope, None, send)
      return
    end = b'data: [DONE]\n\n'
    if asked.has_usage:
      end = event_lines([reply.usage_piece()]) + end
    await _send_part(send, end, is_last=True)


async def _until_gone(receive: Receive) -> None:
  while (await receive())['type'] != 'http.disconnect':
    pass


def _teller(
    loop: asyncio.AbstractEventLoop, events: asyncio.Queue, number: int
) -> Any:
  """What the engine's thread calls."""
  def tell(event: Event) -> None:
    try:
      loop.call_soon_threadsafe(events.put_nowait, (number, event))
    except RuntimeError:
      pass  # the server has ended

  return tell


async def _told(
    events: asyncio.Queue, until: float, seconds: float
) -> AsyncIterator[tuple[int, Event]]:
  """Events as they come, until nobody listens; a refusal when none come."""
  while True:
    try:
      async with asyncio.timeout(until - time.monotonic()):
        number, event = await events.get()
    except TimeoutError:
      yield 0, too_late(seconds)
      return
    if number == _GONE:
      return
    yield number, event


async def _send_part(send: Send, body: bytes, is_last: bool = False) -> None:
  await send({
      'type': 'http.response.body', 'body': body, 'more_body': not is_last
  })


class Pages:
  """All other endpoints."""

  def __init__(
      self, name: str, asking: Asking, engine: Engine, intake: Intake,
      metrics: Metrics, model: Any,
  ):
    """Args of the server."""
    self._asking, self._engine, self._intake = asking, engine, intake
    self._metrics, self._model = metrics, model
    self._about = {
        'id': name, 'object': 'model', 'created': int(time.time()),
        'owned_by': 'flamingo_jax', 'frames': model.frames, 'fps': model.fps,
    }

  async def models(self, request: HttpRequest) -> Response:
    """GET /v1/models."""
    return json_response({'object': 'list', 'data': [self._about]})

  async def model(self, request: HttpRequest) -> Response:
    """GET /v1/models/NAME."""
    if request.path_params['name'] != self._about['id']:
      raise Refusal(
          404, f'there is no such model here; ask {self._about["id"]!r}',
          param='model', code='model_not_found',
      )
    return json_response(self._about)

  async def health(self, request: HttpRequest) -> Response:
    """GET /healthz."""
    if not self._engine.is_alive:
      raise Refusal(503, 'nothing answers any more; start the server again')
    return json_response({'status': 'ok'})

  async def metrics(self, request: HttpRequest) -> Response:
    """GET /metrics."""
    return Response(
        self._metrics.text(),
        media_type='text/plain; version=0.0.4; charset=utf-8',
    )

  async def explain(self, request: HttpRequest) -> Response:
    """POST /v1/explain."""
    async with self._intake.body(request) as raw:
      return json_response(await self._in_pool(self._asking.explain, raw))

  async def episode(self, request: HttpRequest) -> Response:
    """GET /v1/episode."""
    query = dict(request.query_params)
    return json_response(await self._in_pool(
        episodes.episode, self._model.vocabulary, query
    ))

  async def page(self, request: HttpRequest) -> Response:
    """GET / and /page/NAME."""
    name = request.path_params.get('name', page_files.INDEX)
    found = page_files.file(name)
    return Response(
        found.data, headers=page_files.HEADERS, media_type=found.kind
    )

  async def _in_pool(self, function: Any, *args: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(
        self._asking.pool, functools.partial(function, *args)
    )


def _refused(request: HttpRequest, error: Exception) -> Response:
  """What is told of an exception that no endpoint has caught."""
  if not isinstance(error, Refusal):
    status = getattr(error, 'status_code', 500)
    error = Refusal(status, _SENTENCES.get(status, _SENTENCES[500]))
  return refusal_response(error)


def make_app(
    model: Any, name: str, engine: Engine, metrics: Metrics, limits: Limits, *,
    hosts: frozenset[str] = frozenset(), token: str = '',
    host: str = '127.0.0.1', is_plain: bool, log: logging.Logger,
) -> ASGIApp:
  """The ASGI application of a server.

  Args:
    model: that is asked.
    name: that requests may call it.
    engine: that asks it.
    metrics: that are told.
    limits: of requests.
    hosts: that pictures are fetched from.
    token: that requests have to show; '': none.
    host: that is listened at.
    is_plain: whether messages of a chat stand as they are, without who speaks.
    log: of a line per request.
  """
  asking = Asking(model, name, limits, hosts, is_plain)
  intake = Intake(limits)
  pages = Pages(name, asking, engine, intake, metrics, model)
  chat, completion = (
      Answering(is_chat, name, asking, engine, intake, limits)
      for is_chat in (True, False)
  )
  routes = [
      Route('/v1/chat/completions', chat, methods=['POST']),
      Route('/v1/completions', completion, methods=['POST']),
      Route('/v1/explain', pages.explain, methods=['POST']),
      Route('/v1/episode', pages.episode),
      Route('/v1/models', pages.models),
      Route('/v1/models/{name:path}', pages.model),
      Route('/healthz', pages.health),
      Route('/metrics', pages.metrics),
      Route('/', pages.page),
      Route('/page/{name}', pages.page),
  ]
  app = Starlette(routes=routes, exception_handlers=dict.fromkeys(
      (Refusal, HTTPException, Exception), _refused
  ))
  return Gate(
      app, metrics, log, token, host, frozenset(route.path for route in routes)
  )
