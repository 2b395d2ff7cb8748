# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What makes no sense is refused in one sentence, and hurts nobody else."""

import base64
import io
import json
import random
import re
import time

from PIL import Image
import pytest

from flamingo_jax.serving import server
from tests.serving.conftest import running
from tests.serving.http_client import CHAT, COMPLETION, picture, png, text

USER = {'role': 'user', 'content': 'a'}


def data_uri(raw, kind='image/png'):
  return f'data:{kind};base64,{base64.b64encode(raw).decode()}'


@pytest.mark.parametrize('body, sentence', [
    (b'', 'not JSON'), (b'{', 'not JSON'), (b'\xff', 'not JSON'),
    (b'[' * 100_000, 'nests too deeply'), (b'{"a": 1, "a": 2}', 'twice'),
    ([], 'must be a JSON object'), ({'prompt': 'a', 'max_token': 1}, 'max_token'),
    ({}, 'prompt is None'), ({'prompt': ''}, 'empty'),
    ({'prompt': 7}, 'prompt is 7'), ({'prompt': [1, 2]}, r'prompt\[0\] is 1'),
    ({'prompt': 'a', 'model': 'gpt'}, "there is no model 'gpt'"),
    ({'prompt': 'a', 'n': 0}, 'n is 0'), ({'prompt': 'a', 'n': 5}, 'n is 5'),
    ({'prompt': ['a', 'b', 'c'], 'n': 2}, '3 prompts with 2 answers'),
    ({'prompt': 'a', 'max_tokens': 0}, 'max_tokens is 0'),
    ({'prompt': 'a', 'max_tokens': 1e3}, 'max_tokens is 1000.0'),
    ({'prompt': 'a', 'temperature': -1}, 'temperature is -1'),
    ({'prompt': 'a', 'temperature': 'hot'}, "temperature is 'hot'"),
    (b'{"prompt": "a", "temperature": NaN}', 'temperature is nan'),
    ({'prompt': 'a', 'top_p': 0}, 'top_p is 0'),
    ({'prompt': 'a', 'seed': 2**80}, 'seed is'),
    ({'prompt': 'a', 'stop': ['']}, 'stop is'),
    ({'prompt': 'a', 'stop': list('abcde')}, 'stop is'),
    ({'prompt': 'a', 'logprobs': 21}, 'logprobs is 21'),
    ({'prompt': 'a', 'stream': 'yes'}, "stream is 'yes'"),
    ({'prompt': 'a', 'stream_options': 1}, 'stream_options'),
    ({'prompt': 'a', 'candidates': ['']}, 'candidates are'),
    ({'prompt': ['a', 'b'], 'candidates': ['c']}, 'behind one prompt'),
    ({'prompt': 'a', 'echo': True}, 'echo is True'),
    ({'prompt': 'a', 'logit_bias': {'5': 1}}, 'logit_bias'),
    ({'prompt': 'one and two ' * 200}, 'the model reads 128 tokens'),
    ({'prompt': 'a\ud800'}, 'half of a surrogate pair'),
])
def test_a_completion_that_makes_no_sense(client, body, sentence):
  status, told = client.refusal(COMPLETION, body)
  assert status == (404 if 'no model' in told else 400)
  assert re.search(sentence, told), told


@pytest.mark.parametrize('messages, sentence', [
    (None, 'messages are None'), ([], 'messages are'), ('a', "messages are 'a'"),
    ([7], r'messages\[0\] is 7'), ([{'content': 'a'}], 'role is None'),
    ([USER, {'role': 'robot', 'content': 'a'}], r"messages\[1\].role is 'robot'"),
    ([{'role': [], 'content': 'a'}], 'role is'),
    ([{'role': 'user'}], 'content is None'),
    ([{'role': 'user', 'content': []}], 'content is'),
    ([{'role': 'user', 'content': 'a', 'tool_calls': [{}]}], 'tool_calls'),
    ([{'role': 'user', 'content': [{'type': 'input_audio'}]}], r'content\[0\] is'),
    ([{'role': 'user', 'content': [{'type': ['text']}]}], r'content\[0\] is'),
    ([{'role': 'user', 'content': [text(7)]}], r'content\[0\] is'),
])
def test_a_chat_that_makes_no_sense(client, messages, sentence):
  _, told = client.refusal(CHAT, {'messages': messages})
  assert re.search(sentence, told), told


def bomb(frames=1, size=(1200, 1000)):
  """A small file of many pixels."""
  file = io.BytesIO()
  pictures = [Image.new('L', size, i) for i in range(frames)]
  pictures[0].save(
      file, 'GIF', save_all=True, append_images=pictures[1:], duration=100
  )
  return file.getvalue()


@pytest.mark.parametrize('kind, address, sentence', [
    ('image', 'data:image/png;base64,AAAA', 'not an image of a known format'),
    ('image', 'data:image/png;base64,!!', 'other than base64'),
    ('image', 'data:image/png', 'no comma'), ('image', 'data:,', 'is empty'),
    ('image', png()[:-400], 'corrupt or cut short'),
    ('image', data_uri(bomb()), '1200 x 1000 pixels, and 1,000,000 are'),
    ('image', data_uri(bomb(3, (9, 9))), 'an animated GIF'),
    ('image', '/etc/passwd', "'/etc/passwd' is not a picture"),
    ('image', 'file:///etc/passwd', 'is not a picture'),
    ('image', 'http://example.org/a.png', "nothing is fetched from 'example.org'"),
    ('image', 'http://[', 'is not a picture'), ('image', '', r'prompt\[0\] is'),
    ('image', '<img src=x onerror=alert(1)>', 'is not a picture'),
    ('video', data_uri(bomb(30, (999, 999))), '30 frames of 999 x 999'),
    ('video', data_uri(b'a video'), 'cannot be decoded'),
    ('video', 'data:video/jpeg;base64,AAAA,BBBB', 'not an image'),
])
def test_a_medium_that_cannot_be_read(client, kind, address, sentence):
  part = {'type': f'{kind}_url', f'{kind}_url': {'url': address}}
  for path, body in (
      (COMPLETION, {'prompt': [part]}), ('/v1/explain', {'prompt': [part]}),
  ):
    status, told = client.refusal(path, body)
    assert status == 400 and told.startswith('prompt[0]')
    assert re.search(sentence, told), told


def test_pictures_are_counted(client):
  pictures = [picture(png(size=(2, 2)))] * 10_000
  _, told = client.refusal(COMPLETION, {'prompt': pictures[:13]})
  assert told == 'prompt[12] is picture 13, and 12 are the most of a request'
  status, told = client.refusal(COMPLETION, {'prompt': pictures})
  assert status == 413 and '1,048,576 bytes' in told


def test_bodies_are_json_in_time_and_not_too_large(client):
  status, told = client.refusal(
      COMPLETION, {'prompt': 'a'}, headers={'Content-Type': 'text/plain'}
  )
  assert status == 415 and 'Content-Type' in told
  with client.socket() as slow:
    slow.sendall(
        b'POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: '
        b'application/json\r\nContent-Length: 100\r\n\r\n{'
    )
    began = time.monotonic()
    assert client.ask(COMPLETION, {'prompt': 'a', 'max_tokens': 1})[0] == 200
    reply = slow.recv(9999)
    assert reply.startswith(b'HTTP/1.1 408') and b'send it faster' in reply
    assert time.monotonic() - began < 10
    while slow.recv(9999):  # until it is closed
      pass


def test_only_connections_without_a_request_are_closed(model, monkeypatch):
  monkeypatch.setattr(server, '_IDLE', 1.0)
  with running(model) as client, client.socket() as silent:
    silent.sendall(b'GET /healthz HTTP/1.1\r\nHost: local')
    busy, began = client.connect(), time.monotonic()
    busy.connect()
    place = busy.sock.getsockname()
    while time.monotonic() - began < 2.5:  # none of its requests takes long
      busy.request('GET', '/healthz')
      assert busy.getresponse().read() == b'{"status":"ok"}'
      time.sleep(0.1)
    assert busy.sock.getsockname() == place
    silent.settimeout(1)
    assert silent.recv(1) == b''  # it has been closed
    busy.close()


def test_other_sites_and_strangers_are_refused(model):
  with running(model, token='a-secret') as client:
    status, told = client.refusal('/v1/models', None)
    assert status == 401 and 'Bearer' in client.headers['WWW-Authenticate']
    for header in ('Bearer a-secre', 'Basic a-secret', 'Bearer \xe9'):
      assert client.refusal(
          COMPLETION, {'prompt': 'a'}, headers={'Authorization': header}
      )[0] == 401
    assert client.ask(
        '/v1/models', headers={'Authorization': 'Bearer a-secret'}
    )[0] == 200
    for path in ('/healthz', '/'):  # the page asks for the token itself
      assert client.ask(path)[0] == 200
    status, told = client.refusal(
        '/healthz', None, headers={'Host': 'evil.example:8000'}
    )
    assert status == 403 and 'evil.example' in told


def test_the_page_allows_nothing_but_its_own_files(client):
  status, found = client.ask('/')
  assert status == 200 and '<!DOCTYPE html>' in found
  policy = client.headers['Content-Security-Policy']
  assert "default-src 'none'" in policy and 'unsafe' not in policy
  for name in ('page.js', 'page.css'):
    assert client.ask(f'/page/{name}')[0] == 200
  for name in ('../server.py', '..%2fserver.py', 'nothing'):
    assert client.refusal(f'/page/{name}', None)[0] == 404


def mangled(rng, value):
  """JSON near a right body."""
  kind = rng.random()
  if kind < 0.5 and isinstance(value, dict) and value:
    key = rng.choice(list(value))
    return {**value, key: mangled(rng, value[key])}
  if kind < 0.5 and isinstance(value, list) and value:
    i = rng.randrange(len(value))
    return [*value[:i], mangled(rng, value[i]), *value[i + 1 :]]
  return rng.choice([
      None, True, -1, 0, 10**400, 1e308, 'é\U0001f9a9\u202e', '', [], {}, [[]],
      {'type': 'text'}, {'url': 'data:,'}, '\udfff', 'x' * 5000,
      [value, value], {'a': value}, 'data:image/png;base64,', '<b>\x00</b>',
  ])


def test_mangled_bodies_get_a_sentence_or_an_answer(client):
  rng = random.Random(0)
  whole = [
      {'prompt': [picture(png()), text(' a')], 'max_tokens': 1, 'n': 1,
       'temperature': 0, 'stop': ['b'], 'logprobs': 1, 'seed': 3},
      {'messages': [{'role': 'user', 'content': [text('a'), picture(png())]}],
       'max_tokens': 1, 'top_p': 0.5, 'temperature': 1, 'stream': False},
  ]
  refused = 0
  for number in range(150):
    body = json.dumps(mangled(rng, rng.choice(whole))).encode()
    if number % 3 == 0:
      body = bytearray(body)
      for _ in range(rng.randrange(1, 4)):
        body[rng.randrange(len(body))] = rng.randrange(256)
      body = bytes(body)
    path = rng.choice([CHAT, COMPLETION, '/v1/explain'])
    status, found = client.ask(path, body)
    if status != 200:
      refused += 1
      assert 400 <= status < 500, (body, found)
      assert '\n' not in found['error']['message']
  assert refused > 50
  assert client.ask('/healthz')[0] == 200
