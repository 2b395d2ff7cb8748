# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Bodies of requests as they come in: not too large, not too slowly."""

import asyncio
from collections.abc import AsyncIterator
import contextlib

from starlette.requests import ClientDisconnect, Request

from flamingo_jax.serving.limits import Limits
from flamingo_jax.serving.refusals import Refusal

_BODIES = 8  # of the largest size, in memory at once


class Intake:
  """Takes in bodies, of all clients together up to a number of bytes."""

  def __init__(self, limits: Limits):
    """Args: limits, of one body."""
    self._limits, self._bytes = limits, 0

  @contextlib.asynccontextmanager
  async def body(self, request: Request) -> AsyncIterator[bytes]:
    """The body of a request, which is in memory while the block runs.

    Raises:
      Refusal: it is no JSON, too large or too slow, or the others are too many.
      ClientDisconnect: its client has gone.
    """
    kind = request.headers.get('content-type', '').partition(';')[0].strip()
    # Pages of other sites can send anything else without being asked first.
    if kind.lower() != 'application/json':
      raise Refusal(
          415, 'a body must be JSON, and say so: send the header Content-Type: '
          'application/json'
      )
    length = request.headers.get('content-length', '0')
    if not length.isdecimal() or int(length[:20]) > self._limits.body_bytes:
      raise self._too_large()
    parts: list[bytes] = []
    try:
      try:
        async with asyncio.timeout(self._limits.body_seconds):
          async for part in request.stream():
            self._add(parts, part)
      except TimeoutError:
        raise Refusal(
            408, 'the body took longer to come than '
            f'{self._limits.body_seconds:g} seconds; send it faster'
        ) from None
      yield b''.join(parts)
    finally:
      self._bytes -= sum(map(len, parts))

  def _add(self, parts: list[bytes], part: bytes) -> None:
    parts.append(part)
    self._bytes += len(part)
    if sum(map(len, parts)) > self._limits.body_bytes:
      raise self._too_large()
    if self._bytes > _BODIES * self._limits.body_bytes:
      raise Refusal(
          429, 'too many large requests come in at once; try again later',
          code='queue_full', retry_after=1,
      )

  def _too_large(self) -> Refusal:
    return Refusal(
        413, f'the body has more than {self._limits.body_bytes:,} bytes, which '
        'are the most; send fewer or smaller pictures'
    )
