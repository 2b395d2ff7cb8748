# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""`flamingo serve` under load and faults, with the model that is shipped.

  python -m benchmarks.serve --out=serve.json

Many clients ask mixed prompts, each of which has one right answer: what the model
generates by itself. Then come requests for memory, mangled bodies, clients that are
killed, and the time to the first token behind 32 shots that were read before, by a
server whose log is on a full disk.
"""

import argparse
from collections.abc import Iterator
import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

import flamingo_jax as fj
from flamingo_jax import shipped
from tests.serving.http_client import (
    CHAT, COMPLETION, Client, picture, png, text,
)
from tests.serving.refusals_test import mangled

_SHOTS = 32  # of the prompts whose first token is waited for
_CONTEXT = 1024  # tokens that they take; positions are relative, any will do
_OPENS = """
import json, sys, time
from tests.serving.http_client import Client, COMPLETION
client = Client(int(sys.argv[1]))
held = [client.connect() for _ in range(32)]
for connection in held:
  connection.request('POST', COMPLETION, json.dumps(
      {'prompt': 'a small', 'stream': True, 'n': 4}
  ), {'Content-Type': 'application/json'})
print('asked', flush=True)
time.sleep(60)
"""


def content(seed: int, shots: int) -> list[dict[str, Any]]:
  """Parts of a prompt of so many shots, the query's picture its own."""
  parts = []
  for i in range(shots):
    parts += [picture(png(1000 * seed + i)), text(' zupo.')]
  return [*parts, picture(png(1000 * seed + 999)), text(' a')]


def prompts() -> list[Any]:
  """Texts, pictures with a text, and few-shot prompts."""
  words = 'small large red blue green solid'.split()
  texts = [f'{a} {b}' for a in ('a', 'the', 'one') for b in words]
  return texts + [content(seed, seed % 5) for seed in range(32)]


def bodies(model: fj.Predictor, tokens: int) -> list[tuple[dict, str]]:
  """Bodies of requests, each with the text of its answer."""
  asked = prompts()
  parts = [
      [prompt] if isinstance(prompt, str) else [
          part['text'] if part['type'] == 'text'
          else fj.image(part['image_url']['url']) for part in prompt
      ] for prompt in asked
  ]
  answers = model.generate(parts, max_new_tokens=tokens)
  options = {'max_tokens': tokens, 'temperature': 0}
  return [
      ({'prompt': prompt, **options, 'stream': i % 3 == 0}, answer)
      for i, (prompt, answer) in enumerate(zip(asked, answers))
  ]


@contextlib.contextmanager
def served(*flags: str, log: str = os.devnull) -> Iterator[Client]:
  """A client of a server that ends with the block."""
  with socket.socket() as found:
    found.bind(('127.0.0.1', 0))
    port = found.getsockname()[1]
  with open(log, 'wb') as file:
    program = subprocess.Popen(
        [sys.executable, '-m', 'flamingo_jax.cli', 'serve', f'--port={port}',
         *flags], stderr=file,
    )
  client = Client(port)
  try:
    while True:
      try:
        assert client.ask('/healthz')[0] == 200
        break
      except ConnectionRefusedError:
        time.sleep(0.1)
    yield client
    program.send_signal(signal.SIGTERM)
    assert program.wait(60) == 0
  finally:
    program.kill()


def answer(connection: http.client.HTTPConnection, body: dict) -> tuple:
  """(status, text, tokens) of one request, streamed or not."""
  if body['stream']:
    body = body | {'stream_options': {'include_usage': True}}
  connection.request('POST', COMPLETION, json.dumps(body), {
      'Content-Type': 'application/json'
  })
  reply = connection.getresponse()
  raw = reply.read().decode()
  if reply.status != 200:
    return reply.status, raw, 0
  if not body['stream']:
    found = json.loads(raw)
    return 200, found['choices'][0]['text'], found['usage']['completion_tokens']
  events = [
      json.loads(line.removeprefix('data: ')) for line in raw.split('\n\n')[:-2]
  ]
  said = ''.join(event['choices'][0]['text'] for event in events[:-1])
  return 200, said, events[-1]['usage']['completion_tokens']


def load(
    client: Client, asked: list, clients: int, seconds: float = 1e9,
    requests: float = 1e9,
) -> dict[str, Any]:
  """What so many clients get in a time, or for a number of requests."""
  stop, lock = time.monotonic() + seconds, threading.Lock()
  latencies, tokens, wrong, refused = [], 0, 0, 0

  def run(number):
    nonlocal tokens, wrong, refused
    rng, connection = random.Random(number), client.connect()
    while time.monotonic() < stop and len(latencies) < requests:
      body, expected = rng.choice(asked)
      began = time.monotonic()
      status, said, count = answer(connection, body)
      with lock:
        latencies.append(time.monotonic() - began)
        tokens += count
        wrong += status == 200 and said.strip() != expected
        refused += status != 200
    connection.close()

  threads = [threading.Thread(target=run, args=(i,)) for i in range(clients)]
  began = time.monotonic()
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  took = time.monotonic() - began
  latencies.sort()
  return {
      'clients': clients, 'requests': len(latencies), 'wrong': wrong,
      'refused': refused, 'tokens_per_second': round(tokens / took, 1),
      'requests_per_second': round(len(latencies) / took, 1),
      'p50_ms': round(1e3 * statistics.median(latencies), 1),
      'p99_ms': round(1e3 * latencies[int(0.99 * len(latencies))], 1),
  }


def memory(client: Client, asked: list, requests: int) -> dict[str, Any]:
  """Megabytes of the server before and after so many requests, and programs."""
  found = {}
  for when in ('before', 'after'):
    found[when] = {
        'megabytes': round(
            client.metric('process_resident_memory_bytes') / 2**20, 1
        ),
        'programs': client.metric('flamingo_programs_total'),
    }
    if when == 'before':
      load(client, asked, 16, requests=requests)
  return found


def fuzz(client: Client, count: int) -> dict[str, int]:
  """Statuses of what mangled bodies get."""
  rng, statuses = random.Random(1), {}
  whole = [
      {'prompt': content(0, 1), 'max_tokens': 1, 'n': 1, 'stop': ['b'],
       'logprobs': 1, 'seed': 3, 'temperature': 0.5},
      {'messages': [{'role': 'user', 'content': content(1, 1)}],
       'max_tokens': 1, 'top_p': 0.5, 'stream': False},
  ]
  for _ in range(count):
    body = bytearray(json.dumps(mangled(rng, rng.choice(whole))).encode())
    if rng.random() < 0.5:
      body[rng.randrange(len(body))] = rng.randrange(256)
    path = rng.choice([CHAT, COMPLETION, '/v1/explain'])
    status, _ = client.ask(path, bytes(body))
    statuses[status] = statuses.get(status, 0) + 1
  return statuses


def kill_clients(client: Client) -> dict[str, float]:
  """What is left of clients that are killed while they wait for answers."""
  began = client.metric('flamingo_tokens_total{kind="prompt"}')
  program = subprocess.Popen(
      [sys.executable, '-c', _OPENS, str(client.port)], stdout=subprocess.PIPE
  )
  program.stdout.readline()
  program.kill()
  program.wait()
  status, _ = client.ask(COMPLETION, {'prompt': 'a', 'max_tokens': 1})
  assert status == 200
  time.sleep(1)
  return {
      'waiting': client.metric('flamingo_waiting'),
      'writing': client.metric('flamingo_writing'),
      'tokens_read': client.metric('flamingo_tokens_total{kind="prompt"}') - began,
  }


def first_token(client: Client, prompt: list) -> float:
  """Milliseconds until the first event with text has come."""
  connection, began = client.connect(), time.monotonic()
  connection.request('POST', COMPLETION, json.dumps(
      {'prompt': prompt, 'max_tokens': 8, 'temperature': 0, 'stream': True}
  ), {'Content-Type': 'application/json'})
  reply = connection.getresponse()
  reply.readline()
  found = 1e3 * (time.monotonic() - began)
  reply.read()  # the next one finds an idle server
  connection.close()
  return found


def first_tokens(count: int) -> dict[str, Any]:
  """With 32 shots that were read before, and with others each time."""
  with tempfile.TemporaryDirectory() as folder:
    model_dir = pathlib.Path(folder) / 'longer'
    shutil.copytree(shipped.shipped_weights(), model_dir)
    told = json.loads((model_dir / 'model.json').read_text())
    told['architecture']['decoder']['context'] = _CONTEXT
    (model_dir / 'model.json').write_text(json.dumps(told))
    with served(f'--model_dir={model_dir}', log='/dev/full') as client:
      shots = content(50, _SHOTS)[:-2]
      query = lambda i: [*shots, picture(png(90_000 + i)), text(' a')]
      for i in range(3):  # what is compiled
        first_token(client, query(i))
        first_token(client, content(60 + i, _SHOTS))
      cached = [first_token(client, query(3 + i)) for i in range(count)]
      fresh = [first_token(client, content(70 + i, _SHOTS)) for i in range(count)]
      lost = client.metric('flamingo_lost_log_lines_total')
  cached, fresh = map(statistics.median, (cached, fresh))
  return {
      'shots': _SHOTS, 'read_before_ms': round(cached, 1),
      'fresh_ms': round(fresh, 1), 'share': round(cached / fresh, 3),
      'lines_that_a_full_disk_lost': lost,
  }


def main() -> None:
  """Prints what was measured, and writes it as JSON."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--clients', type=int, default=64)
  parser.add_argument('--seconds', type=float, default=60.0)
  parser.add_argument('--requests', type=int, default=2000)
  parser.add_argument('--bodies', type=int, default=1000)
  parser.add_argument('--out', default='serve.json')
  options = parser.parse_args()
  asked = bodies(fj.load(), 24)
  found: dict[str, Any] = {}

  def tell(name, value):
    found[name] = value
    print(name, json.dumps(value), flush=True)
    pathlib.Path(options.out).write_text(json.dumps(found, indent=2) + '\n')

  with served('--queue=256', '--kept_megabytes=64') as client:
    load(client, asked, 8, requests=8 * len(asked))  # what is compiled
    one = load(client, asked, 1, options.seconds / 2)
    tell('one', one)
    many = load(client, asked, options.clients, options.seconds)
    tell('many', many)
    tell('times_one', round(
        many['tokens_per_second'] / one['tokens_per_second'], 2
    ))
    tell('memory', memory(client, asked, options.requests))
    tell('mangled', fuzz(client, options.bodies))
    tell('killed', kill_clients(client))
    tell('healthy', client.ask('/healthz')[0] == 200)
  tell('first_token', first_tokens(10))


if __name__ == '__main__':
  main()
