# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped model behind a server, in a thread of this process."""

import contextlib
import logging
import threading

import pytest
import uvicorn

import flamingo_jax as fj
from flamingo_jax.serving import server as serving
from flamingo_jax.serving.app import make_app
from flamingo_jax.serving.engine import Engine
from flamingo_jax.serving.limits import Limits
from flamingo_jax.serving.metrics import Metrics
from tests.serving.http_client import Client

LIMITS = Limits(
    body_bytes=2**20, body_seconds=1.0, pictures=12, pixels=10**6, new_tokens=60,
    answers=4, queue=40, seconds=30.0,
)


@contextlib.contextmanager
def running(model, limits=LIMITS, rows=4, **options):
  """A client of a server that runs while the block does; has its engine."""
  metrics = Metrics()
  engine = Engine(model, limits, metrics, rows)
  app = make_app(
      model, 'flamingo_tiny', engine, metrics, limits, is_plain=True,
      log=logging.getLogger('flamingo_jax.serving'), **options,
  )
  server = uvicorn.Server(serving.config(app, limits))
  place = serving.listen('127.0.0.1', 0)
  thread = threading.Thread(target=server.run, args=([place],))
  thread.start()
  try:
    client = Client(place.getsockname()[1])
    client.engine = engine
    yield client
  finally:
    server.should_exit = True
    thread.join()
    engine.close()


@pytest.fixture(scope='session')
def model():
  return fj.load(keep_latents=64)


@pytest.fixture(scope='session')
def client(model):
  with running(model) as client:
    yield client
