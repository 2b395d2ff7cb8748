# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Requests as a program without OpenAI's client makes them."""

import http.client
import io
import json
import socket

import numpy as np
from PIL import Image

from flamingo_jax import html_page

CHAT, COMPLETION = '/v1/chat/completions', '/v1/completions'


def png(seed=0, size=(20, 30)):
  """A picture of noise as a data: URI."""
  pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
  file = io.BytesIO()
  Image.fromarray(pixels).save(file, 'PNG')
  return html_page.data_uri(file.getvalue(), 'png')


def picture(address):
  """The part of a message that shows it."""
  return {'type': 'image_url', 'image_url': {'url': address}}


def text(said):
  """The part of a message that says it."""
  return {'type': 'text', 'text': said}


class Client:
  """Asks a server on this machine."""

  def __init__(self, port):
    self.port, self.engine, self.timeout = port, None, 60

  def connect(self):
    """A connection."""
    return http.client.HTTPConnection(
        '127.0.0.1', self.port, timeout=self.timeout
    )

  def ask(self, path, body=None, method=None, headers=None):
    """(status, what came: JSON, or text), of a body that is JSON or bytes."""
    raw = body if isinstance(body, (bytes, type(None))) else json.dumps(body)
    connection = self.connect()
    try:
      connection.request(
          method or ('GET' if body is None else 'POST'), path, raw,
          {'Content-Type': 'application/json', **(headers or {})},
      )
      reply = connection.getresponse()
      found = reply.read().decode()
      is_json = reply.headers['Content-Type'].startswith('application/json')
      self.headers = reply.headers
      return reply.status, json.loads(found) if is_json else found
    finally:
      connection.close()

  def refusal(self, path, body, **options):
    """(status, sentence) of a refusal in OpenAI's form."""
    status, found = self.ask(path, body, **options)
    assert set(found['error']) == {'message', 'type', 'param', 'code'}, found
    assert status >= 400 and '\n' not in found['error']['message']
    return status, found['error']['message']

  def events(self, path, body):
    """What a stream sends."""
    connection = self.connect()
    connection.request(
        'POST', path, json.dumps(body | {'stream': True}),
        {'Content-Type': 'application/json'},
    )
    reply = connection.getresponse()
    assert reply.status == 200, reply.read()
    *lines, end = reply.read().decode().split('\n\n')
    connection.close()
    assert end == '' and lines.pop() == 'data: [DONE]'
    return [json.loads(line.removeprefix('data: ')) for line in lines]

  def metric(self, name):
    """The number of a line of /metrics that begins with a name."""
    _, found = self.ask('/metrics')
    return sum(
        float(line.rpartition(' ')[2]) for line in found.splitlines()
        if line.startswith(name)
    )

  def socket(self):
    """A bare connection."""
    return socket.create_connection(('127.0.0.1', self.port), timeout=60)
