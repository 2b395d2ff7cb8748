# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Many requests at once: each gets its own answer, and none keeps a place."""

from concurrent import futures
import dataclasses
import json
import threading
import time

import pytest

import flamingo_jax as fj
from flamingo_jax.predictor import slots
from flamingo_jax.serving import engine
from flamingo_jax.serving import pace
from flamingo_jax.serving.bodies import Options
from flamingo_jax.serving.requests import Request
from tests.serving.conftest import LIMITS, running
from tests.serving.http_client import COMPLETION, picture, png, text

BODY = {'prompt': 'a small', 'max_tokens': 4, 'temperature': 0}


class Held(fj.Predictor):
  """A model that reads prompts, or writes answers, when it is let to."""

  def __init__(self, model):
    vars(self).update(vars(model))
    self.may_read, self.may_write = threading.Event(), threading.Event()
    self.fails = self.first_fails = False
    self.begun = self.steps = 0

  def read(self, *args, **options):
    self.begun += 1
    self.may_read.wait()
    if self.fails:
      raise RuntimeError('out of memory')
    return super().read(*args, **options)

  def slots(self, *args, **options):
    slots = super().slots(*args, **options)
    advance = slots.advance

    def held():
      self.may_write.wait()
      if self.fails:
        raise RuntimeError('out of memory')
      return advance()

    def first(row):
      if self.first_fails:
        raise RuntimeError('out of memory')
      return told_first(row)

    def start():
      self.steps += 1
      start_steps()

    told_first, slots.first = slots.first, first
    start_steps, slots.start = slots.start, start
    slots.advance = held
    return slots


@pytest.fixture
def held(model):
  held = Held(model)
  yield held
  held.may_read.set()
  held.may_write.set()


def until(condition):
  """Waits for what comes soon."""
  end = time.monotonic() + 20
  while not condition():
    assert time.monotonic() < end
    time.sleep(0.01)


def test_each_of_many_gets_its_own_answer(client, model):
  words = 'a the one two small large red blue green solid'.split()
  prompts = [f'{a} {b}' for a in words for b in words[::3]]
  parts = [[prompt] for prompt in prompts] + [
      [fj.image(png(i)), f' {words[i]}'] for i in range(4)
  ]
  expected = model.generate(parts, max_new_tokens=5)
  asked = prompts + [
      [picture(png(i)), text(f' {words[i]}')] for i in range(4)
  ]

  def ask(prompt):
    return client.ask(COMPLETION, BODY | {'prompt': prompt, 'max_tokens': 5})

  with futures.ThreadPoolExecutor(12) as pool:
    found = list(pool.map(ask, asked))
  assert [status for status, _ in found] == [200] * len(asked)
  assert [f['choices'][0]['text'].strip() for _, f in found] == expected
  assert client.metric('flamingo_waiting') == 0
  assert client.metric('flamingo_writing') == 0


def test_answers_go_on_while_others_come(held, monkeypatch):
  monkeypatch.setattr(pace, '_READING', 0.1)
  done, read, make_slots = [], held.read, held.slots

  def slowly(*args, **options):
    time.sleep(0.3)
    done.append('read')
    return read(*args, **options)

  def noting(*args, **options):
    made = make_slots(*args, **options)
    start = made.start
    made.start = lambda: done.append('write') or start()
    return made

  held.read, held.slots = slowly, noting
  held.may_read.set()
  held.may_write.set()
  with running(held) as client, futures.ThreadPoolExecutor(4) as pool:
    client.ask(COMPLETION, BODY | {'prompt': 'the'})  # to know what it takes
    first = pool.submit(client.ask, COMPLETION, BODY | {
        'max_tokens': 60, 'temperature': 2, 'seed': 1
    })
    until(lambda: done.count('read') == 2)
    done.clear()
    others = [pool.submit(client.ask, COMPLETION, BODY) for _ in range(3)]
    assert [f.result()[0] for f in (first, *others)] == [200] * 4
  assert done.count('read') == 3
  assert 'read read' not in ' '.join(done)


def test_the_first_token_is_sent_before_the_next_ones_are_begun(
    held, monkeypatch
):
  monkeypatch.setattr(engine, '_TO_SEND', 60.0)
  held.may_read.set()
  with running(held) as client:
    told = []
    request = Request(
        ['a small'], Options(max_new_tokens=4, temperature=0.0), told.append,
        time.monotonic() + 60,
    )
    client.engine.ask(request)
    until(lambda: len(told) == 2)  # what was read, and the first token
    held.may_write.set()
    time.sleep(0.2)
    assert held.steps == 0
    request.is_sent.set()
    until(lambda: told[-1].end)
    # Whoever answers by HTTP says when it is sent.
    began = time.monotonic()
    for body in (BODY, BODY | {'n': 2}):
      assert client.ask(COMPLETION, body)[0] == 200
      assert client.events(COMPLETION, body)
    assert time.monotonic() - began < 30


def test_few_answers_of_a_large_model_have_few_rows(held, model, monkeypatch):
  assert slots.row_counts(16, model.params) == [16]
  monkeypatch.setattr(slots, '_LARGE', 0)
  for rows, counts in ((1, [1]), (3, [1, 2]), (16, [1, 3, 12])):
    assert slots.row_counts(rows, model.params) == counts
  held.may_read.set()
  held.may_write.set()
  with running(held, rows=3) as client:
    for answers, counts in ((1, [1]), (3, [1, 2]), (4, [1, 2])):
      _, found = client.ask(COMPLETION, BODY | {'n': answers})
      assert [choice['text'].strip() for choice in found['choices']] == [
          model.generate([BODY['prompt']], max_new_tokens=4)
      ] * answers
      made = client.engine._slots.values()
      assert [found.count for found in made] == counts


@pytest.mark.parametrize('reading, prompts, writing, most', [
    (0.0, 0, 0.0, 500_000),  # not yet measured
    (0.04, 2, 0.001, 25), (0.6, 1, 0.2, 1), (0.6, 2, 1.3, 4), (9.0, 1, 2.0, 1),
])
def test_how_many_prompts_answers_wait_for(
    monkeypatch, reading, prompts, writing, most
):
  now = [10.0]
  monkeypatch.setattr(time, 'monotonic', lambda: now[0])
  found = pace.Pace()
  now[0] += 3.0  # nothing to do
  found.begin()
  now[0] += reading
  found.note_read(prompts)
  now[0] += writing
  found.note_written()
  assert found.most == most


def test_what_prompts_begin_with_is_read_once(client, model):
  shots = [part for i in range(4) for part in (
      picture(png(20 + i)), text(' solid zupo kiva')
  )]
  kept = []
  for query in ('a small', 'the large', 'the large'):
    prompt = [*shots, picture(png(30)), text(f' {query}')]
    _, found = client.ask(COMPLETION, BODY | {'prompt': prompt})
    usage = found['usage']
    kept.append(usage['prompt_tokens_details']['cached_tokens'])
    parts = [
        part['text'] if part['type'] == 'text'
        else fj.image(part['image_url']['url']) for part in prompt
    ]
    assert found['choices'][0]['text'].strip() == model.generate(
        parts, max_new_tokens=4
    )
  assert kept[0] == 0 and 0 < usage['prompt_tokens'] - kept[1] < 6
  assert kept[2] == usage['prompt_tokens']
  assert client.metric('flamingo_kept_bytes') > 0


def test_programs_are_few_whatever_is_asked(client):
  count = client.metric('flamingo_programs_total')
  for length in (3, 60, 70, 100):
    for i, extra in enumerate(({}, {'temperature': 1.2}, {'logprobs': 4})):
      client.ask(COMPLETION, BODY | {'prompt': 'a ' * (length + i)} | extra)
  first = client.metric('flamingo_programs_total')
  assert first < count + 20
  for length in (5, 30, 50, 70, 90, 110):
    for extra in ({'max_tokens': 9}, {'temperature': 0.3, 'top_p': 0.5, 'n': 2}):
      client.ask(COMPLETION, BODY | {'prompt': 'a ' * length} | extra)
  assert client.metric('flamingo_programs_total') == first


def test_no_more_wait_than_may(held):
  limits = dataclasses.replace(LIMITS, queue=2)
  held.may_write.set()
  with running(held, limits) as client, futures.ThreadPoolExecutor(4) as pool:
    first = pool.submit(client.ask, COMPLETION, BODY)
    until(lambda: held.begun)
    others = [pool.submit(client.ask, COMPLETION, BODY) for _ in range(2)]
    until(lambda: client.metric('flamingo_waiting') == 2)
    status, told = client.refusal(COMPLETION, BODY)
    assert status == 429 and '2 requests wait' in told
    assert int(client.headers['Retry-After']) >= 1
    held.may_read.set()
    assert [f.result()[0] for f in (first, *others)] == [200] * 3


def test_who_goes_away_keeps_no_place(held):
  held.may_read.set()
  with running(held, rows=2) as client:
    gone = [client.connect() for _ in range(6)]
    for connection in gone:  # two of them are being answered, the others wait
      body = json.dumps(BODY | {'stream': True})
      connection.request('POST', COMPLETION, body, {
          'Content-Type': 'application/json'
      })
    until(lambda: client.metric('flamingo_waiting') + held.begun >= 6)
    for connection in gone:
      connection.close()
    tokens = client.metric('flamingo_tokens_total{kind="answer"}')
    time.sleep(0.2)
    held.may_write.set()
    assert client.ask(COMPLETION, BODY)[0] == 200
    until(lambda: not client.engine.waiting)
    assert client.metric('flamingo_writing') == 0
    # Of those who went, no more was written than what was under way.
    written = client.metric('flamingo_tokens_total{kind="answer"}') - tokens
    assert written <= 3 * 4


def test_an_answer_that_takes_too_long_is_given_up(held):
  limits = dataclasses.replace(LIMITS, seconds=0.3)
  held.may_write.set()
  with running(held, limits) as client, futures.ThreadPoolExecutor(1) as pool:
    first = pool.submit(client.ask, COMPLETION, BODY)
    until(lambda: held.begun)
    threading.Timer(0.5, held.may_read.set).start()
    status, told = client.refusal(COMPLETION, BODY)  # it waits for the first
    assert status == 504 and 'longer than 0.3 seconds' in told
    assert first.result()[0] in (200, 504)
    assert client.ask(COMPLETION, BODY)[0] == 200


def test_a_failure_is_told_to_those_it_meets_alone(held):
  held.may_read.set()
  held.may_write.set()
  with running(held) as client:
    for is_read in (True, False):
      held.may_write.clear()
      held.fails = is_read
      with futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.refusal, COMPLETION, BODY)
        if not is_read:
          until(lambda: client.metric('flamingo_writing'))
        held.fails = True
        held.may_write.set()
        status, told = asked.result()
      assert status == 500 and 'the log of the server' in told
      held.fails = False
      assert client.ask(COMPLETION, BODY)[0] == 200


def test_what_failed_is_not_kept_for_others(held):
  """Reading is not waited for: its failure shows at the first token."""
  held.may_read.set()
  held.may_write.set()
  body = BODY | {'prompt': 'a small red ' * 9}
  with running(held) as client:
    held.first_fails = True
    status, told = client.refusal(COMPLETION, body)
    assert status == 500 and 'the log of the server' in told
    held.first_fails = False
    kept = []
    for _ in range(2):
      status, found = client.ask(COMPLETION, body)
      assert status == 200
      kept.append(found['usage']['prompt_tokens_details']['cached_tokens'])
    assert kept == [0, found['usage']['prompt_tokens']]


def test_the_last_picture_is_looked_at_first_and_once(
    model, client, monkeypatch
):
  done, encoder = [], model._inference._encoder
  see, tokenize = encoder._see, model.tokenize
  monkeypatch.setattr(
      encoder, '_see', lambda *args: done.append('see') or see(*args)
  )
  monkeypatch.setattr(
      model, 'tokenize', lambda prompt: done.append('read') or tokenize(prompt)
  )
  shots = [picture(png(40)), text(' solid zupo'), picture(png(41)), text(' a')]
  for parts, order in (
      (shots, 'see read see'), ([*shots, picture(png(42)), text(' a')], 'see read'),
      ([*shots, picture(png(40)), text(' a')], 'read'),
      ([picture(png(43)), text(' a'), picture(png(43)), text(' b')], 'see read'),
  ):
    done.clear()
    _, found = client.ask(COMPLETION, BODY | {'prompt': parts})
    assert ' '.join(done) == order
    assert found['choices'][0]['text'].strip() == model.generate([
        part['text'] if part['type'] == 'text'
        else fj.image(part['image_url']['url']) for part in parts
    ], max_new_tokens=4)
