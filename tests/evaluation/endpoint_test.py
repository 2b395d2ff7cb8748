# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluating a model behind somebody else's server, which may misbehave."""

import base64
import collections
import http.server
import json
import math
import socket
import struct
import threading
import time

import numpy as np
import PIL.Image
import pytest

import flamingo_jax as fj
from flamingo_jax import cli
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import cards, stored_cards
from flamingo_jax.evaluation import endpoint as endpoints
from flamingo_jax.evaluation import endpoint_client
from flamingo_jax.evaluation import paper_benchmarks, prompts
from flamingo_jax.evaluation.endpoint import Endpoint
from flamingo_jax.evaluation.endpoint_client import Client
from flamingo_jax.evaluation.fewshot import Settings
from tests.evaluation.conftest import QUERIES, SUPPORTS


class Fake:
  """A server that replies what it is told to, in order, then the last again."""

  def __init__(self):
    self.bodies, self.headers, self.slept = [], [], []
    self.replies = collections.deque()
    fake = self

    class Handler(http.server.BaseHTTPRequestHandler):

      def do_POST(self):
        length = int(self.headers['Content-Length'])
        fake.bodies.append(json.loads(self.rfile.read(length)))
        fake.headers.append(dict(self.headers))
        reply = fake.replies[0]
        if len(fake.replies) > 1:
          fake.replies.popleft()
        if callable(reply):
          reply = reply(fake.bodies[-1])
        if reply is None:
          linger = struct.pack('ii', 1, 0)  # closing resets
          self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
          self.connection.close()
          return
        status, body, more = reply if isinstance(reply, tuple) else (200, reply, {})
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        pause = more.get('pause', 0)
        for name, value in {'Content-Length': len(data), **more}.items():
          self.send_header(name, str(value))
        self.end_headers()
        for i in range(0, len(data), 1 if pause else len(data)):
          time.sleep(pause)  # seconds before each byte
          self.wfile.write(data[i : i + (1 if pause else len(data))])

      def log_message(self, *args):
        del args

    self._server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    self._thread = threading.Thread(
        target=self._server.serve_forever, args=(0.02,)
    )
    self._thread.start()
    self.url = f'http://127.0.0.1:{self._server.server_port}/v1'

  def endpoint(self, *replies, **options):
    self.replies.extend(replies)
    return Endpoint(Client(self.url, sleep=self.slept.append, **options), 'it')

  def close(self):
    self._server.shutdown()
    self._thread.join()
    self._server.server_close()


@pytest.fixture
def fake():
  fake = Fake()
  yield fake
  fake.close()


def says(text, **more):
  return {'choices': [{'message': {'content': text}, **more}]}


def likely(text, **tokens):
  return says(text, logprobs={'content': [{'top_logprobs': [
      {'token': token, 'logprob': value} for token, value in tokens.items()
  ]}]})


def generate(endpoint, asked=(['What?'],), **options):
  return endpoint.generate(
      asked, max_new_tokens=5, beams=1, batch_size=2, prefix=[], **options
  )


def score(endpoint, candidates, asked=(['What?'],)):
  return endpoint.score(
      asked, candidates, separator=' ', batch_size=2, prefix=[]
  ).tolist()


def test_a_shot_is_two_turns_and_the_query_the_last_one():
  shots = [SUPPORTS[0], SUPPORTS[1]]
  turns = endpoints.messages(
      prompts.join(shots, QUERIES[0]), lambda medium: medium.path
  )
  assert [turn['role'] for turn in turns] == [
      'user', 'assistant', 'user', 'assistant', 'user'
  ]
  image = {'type': 'image_url', 'image_url': {'url': shots[0].media[0].path}}
  assert turns[0]['content'] == [
      image, {'type': 'text', 'text': f'{shots[0].text} '}
  ]
  assert turns[1]['content'] == shots[0].answers[0]
  assert turns[-1]['content'][-1]['text'] == QUERIES[0].text


def test_pictures_go_as_their_files_and_videos_as_their_frames(fake, tmp_path):
  pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
  path = tmp_path / 'a.png'
  PIL.Image.fromarray(pixels).save(path)
  video = fj.video(np.stack([pixels] * 4))
  endpoint = fake.endpoint(says('a cat'))
  assert generate(
      endpoint, [[fj.image(path), video, 'What?']], frames=2, fps=1.0
  ) == ['a cat']
  (body,) = fake.bodies
  assert body['model'] == 'it' and body['temperature'] == 0
  assert body['max_tokens'] == 5
  picture, clip, text = body['messages'][0]['content']
  head, data = picture['image_url']['url'].split(',')
  assert head == 'data:image/png;base64'
  assert base64.b64decode(data) == path.read_bytes()
  head, *frames = clip['video_url']['url'].split(',')
  assert head == 'data:video/jpeg;base64' and len(frames) == 2
  assert text == {'type': 'text', 'text': 'What?'}


def test_what_passes_is_waited_for_and_the_key_is_sent(fake, monkeypatch):
  monkeypatch.setenv('OPENAI_API_KEY', 'secret')
  busy = (429, {'error': {'message': 'busy'}}, {'Retry-After': '7'})
  endpoint = fake.endpoint(busy, (503, b'', {}), b'<html>', says(None))
  assert generate(endpoint) == ['']  # a server that says null has said nothing
  assert fake.slept == [7, 14, 28]
  assert {h['Authorization'] for h in fake.headers} == {'Bearer secret'}


PAGE = b"""<!DOCTYPE html><html><head>
  <title>503 Service &amp; more</title></head><body>""" + b'x' * 5000


@pytest.mark.parametrize('reply, waits', [
    ((200, b'{"choices": [{"mess', {}), 1),  # cut, and called whole
    ((200, b'{"choices"', {'Content-Length': 500}), 1),  # cut by the network
    ((200, {'error': {'message': 'overloaded', 'code': 503}}, {}), 1),
    ((200, {'error': 'no worker'}, {}), 1),
    ((429, b'', {}), 1),
    ((429, b'', {'Retry-After': 'Fri, 01 Jan 2100 00:00:00 GMT'}), 60),
    ((502, b'{', {'Content-Length': 500}), 1),
    ((200, b'[' * 100_000, {}), 1),
    ((200, says('late'), {'pause': 0.02}), 1),
])
def test_a_reply_that_is_none_is_asked_for_again(fake, monkeypatch, reply, waits):
  monkeypatch.setattr(endpoint_client, '_ALL_SECONDS', 0.1)
  assert generate(fake.endpoint(reply, says('x'))) == ['x']
  assert fake.slept == [waits]


def test_a_connection_that_is_reset_is_tried_again(fake):
  endpoint = fake.endpoint(lambda body: None, says('x'))
  assert generate(endpoint) == ['x'] and fake.slept == [1]


def test_a_server_that_errs_for_long_is_one_sentence(fake, capsys):
  endpoint = fake.endpoint((500, {'error': {'message': 'no memory'}}, {}))
  with pytest.raises(UserError, match=r'answered 500 \(no memory\), 6 times .*'
                     'goes on where it stopped'):
    generate(endpoint)
  assert len(fake.bodies) == 6 and len(fake.slept) == 5
  (told,) = capsys.readouterr().err.splitlines()  # why nothing seems to happen
  assert told.endswith('answered 500 (no memory): trying again')


@pytest.mark.parametrize('reply, sentence', [
    ((401, {'error': {'message': 'wrong key'}}, {}), 'answered 401: wrong key'),
    ((404, b'not here', {}), 'answered 404: not here'),
    ({'choices': []}, 'has no choices.0..message'),
    (says(['a']), r"replied the content \['a'\]"),
    (says(None, finish_reason='length'), 'cut off its answer before it'),
    ((200, {'error': {'message': 'no such model', 'code': 404}}, {}),
     'answered 404: no such model'),
    ((404, PAGE, {}), 'answered 404: 503 Service & more$'),
])
def test_what_cannot_be_is_told_at_once(fake, reply, sentence):
  with pytest.raises(UserError, match=sentence):
    generate(fake.endpoint(reply))
  assert len(fake.bodies) == 1


def test_newer_servers_have_another_name_for_the_limit(fake):
  refusal = {'error': {'message': "use 'max_completion_tokens' instead"}}
  endpoint = fake.endpoint((400, refusal, {}), says('x'))
  assert generate(endpoint) == generate(endpoint) == ['x']
  assert [b.get('max_completion_tokens') for b in fake.bodies] == [None, 5, 5]


def test_candidates_are_ranked_by_the_best_that_is_offered(fake):
  told = lambda *texts: {'candidates': [
      {'text': text, 'log_prob': -i} for i, text in enumerate(texts)
  ]}
  endpoint = fake.endpoint(
      says('yes') | told('yes', 'no'), says('') | told('a', 'b')
  )
  assert endpoint.ranks_by == 'candidates'
  assert score(endpoint, ['a', 'b']) == [[0, -1]]
  assert fake.bodies[-1]['candidates'] == ['a', 'b']


@pytest.mark.parametrize('told', [
    [{'log_prob': -1}], [{'log_prob': None}, {'log_prob': -1}], 'no', {'a': -1},
    [{'text': 'b', 'log_prob': -1}, {'text': 'a', 'log_prob': -2}],
    [{'log_prob': math.nan}, {'log_prob': -1}], ['a', 'b'],
])
def test_candidates_that_are_not_scored_are_told(fake, told):
  offer = says('') | {'candidates': [{'log_prob': -1}] * 2}
  endpoint = fake.endpoint(offer, says('') | {'candidates': told})
  with pytest.raises(UserError, match='the endpoint .* candidates'):
    score(endpoint, ['a', 'b'])


@pytest.mark.parametrize('told', [
    [], 'x', {'content': [{'top_logprobs': [{'token': 'a'}]}]},
    {'content': [{'top_logprobs': [{'token': 'a', 'logprob': None}]}]},
])
def test_log_probs_that_are_none_are_told(fake, told):
  refused = (400, {'error': {'message': 'candidates is unknown'}}, {})
  endpoint = fake.endpoint(refused, likely('a', a=-1), says('b', logprobs=told))
  if told == []:  # then the answer decides
    assert score(endpoint, ['a', 'b']) == [[0, 1]]
    return
  with pytest.raises(UserError, match='the endpoint replied the logprobs'):
    score(endpoint, ['a', 'b'])


def test_candidates_are_ranked_by_first_tokens(fake):
  endpoint = fake.endpoint(
      (400, {'error': {'message': 'candidates is unknown'}}, {}),
      likely('yes', yes=-0.1), likely('A bus.', A=-0.5, the=-2, car=-3),
      likely('I see', I=-0.1), likely('I see a car', I=-0.1),
  )
  assert endpoint.ranks_by == 'log_probs'
  scores, = score(endpoint, ['a dog', 'a bus', 'car', 'tree'])
  assert scores == pytest.approx([-0.5, -0.5 + 1e-4, -3, -4])
  assert np.isnan(score(endpoint, ['a dog', 'car'])).all()
  assert score(endpoint, ['a dog', 'car']) == [[0, 1]]


@pytest.mark.parametrize('text, chosen', [
    ('A bus.', 1), ('the answer is: a BUS', 1), ('a bus stop', 2), ('catalog', None),
    ('?', 4), ('a cat, not a bus', 0), ('', None), ('two 2', 3),
])
def test_what_is_said_names_a_candidate(text, chosen):
  candidates = ['a cat', 'a bus', 'a bus stop', '2', '?']
  found = endpoints.by_text(text, candidates)
  if chosen is None:
    assert all(map(math.isnan, found))
  else:
    assert found == [float(i == chosen) for i in range(5)]


def test_a_server_is_asked_no_faster_than_allowed(fake):
  endpoint = fake.endpoint(says('x'), requests_per_minute=60.0)
  generate(endpoint, [['a'], ['b'], ['c']])
  assert sorted(map(round, fake.slept)) == [0, 1, 2]


def test_an_evaluation_goes_on_and_counts_what_names_no_candidate(
    fake, data, tmp_path, capsys
):
  benchmark = paper_benchmarks.find('hateful_memes')
  settings = Settings('hateful_memes', benchmark.split, 0, limit=4, beams=1)
  refused = (400, {'error': {'message': 'unknown'}}, {})
  endpoint = fake.endpoint(refused, refused, says('yes'))
  model = endpoint.describe(True)
  assert model['ranks_by'] == 'text'
  run = lambda: cards.evaluate(
      benchmark, data, settings, endpoint, model, tmp_path, batch_size=2
  )
  fake.replies.extend([says('who knows'), (401, {'error': 'key'}, {})])
  with pytest.raises(UserError, match='answered 401: key'):
    run()
  asked = len(fake.bodies)
  fake.replies.clear()
  fake.replies.append(says('no'))
  card = run()
  assert len(fake.bodies) == asked + 2
  assert len(card['unnamed']) == 1
  path = tmp_path / settings.name / 'card.json'
  assert stored_cards.read(path)['model'] == model
  assert 'key' not in path.read_text()
  fake.bodies.clear()
  fake.replies.extendleft([refused, refused])
  assert cli.main(['eval', f'--replay={path}', f'--data={data}']) == 2
  assert 'are not those of the card' in capsys.readouterr().err
  assert len(fake.bodies) == 2 + 4


@pytest.mark.parametrize('flags, sentence', [
    (['--endpoint=http://h/v1'], '--endpoint needs --model'),
    (['--model=x'], '--model is for an endpoint'),
    (['--endpoint=h', '--model=x'], "'h' is not an address"),
    (['--endpoint=http://h', '--model=x', '--rices'], 'does not reveal: leave it'),
    (['--endpoint=http://h', '--model=x', '--model_dir=y'], 'give only one of them'),
])
def test_flags_that_do_not_fit_are_one_sentence(flags, sentence, capsys, tmp_path):
  assert cli.main(
      ['eval', '--benchmark=vqav2', f'--data={tmp_path}', *flags]
  ) == 2
  assert sentence in capsys.readouterr().err
