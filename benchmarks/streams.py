# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""`flamingo serve` with a model of yours: few clients, many, and a burst of prompts.

  python -m benchmarks.streams --model_dir=runs/real_language/smollm2

Tokens per second by how many clients ask at once, and how long a stream stands still
while long prompts come. Answers are drawn at random, and one may end early.
"""

import argparse
from concurrent import futures
import json
import pathlib
import time
from typing import Any

from benchmarks.serve import served
from tests.serving.http_client import COMPLETION, Client

_CLIENTS = (1, 2, 4, 8, 16)
_PROMPTS = 8  # of a burst
_BEGINNING = 'Once upon a time, in a village by the sea, there was a king.'


def body(text: str, tokens: int, seed: int) -> dict[str, Any]:
  """Of a request."""
  return {
      'prompt': text, 'max_tokens': tokens, 'temperature': 1.0, 'seed': seed
  }


def long_text(number: int) -> str:
  """Some 360 tokens, none of which others begin with."""
  cats = (f'the {number} cat sat on mat {i}' for i in range(33))
  return f'Story number {number}: ' + ' '.join(cats)


def tokens_per_second(client: Client, clients: int, tokens: int) -> float:
  """Of all clients together, each of which asks once."""
  def ask(i):
    status, found = client.ask(
        COMPLETION, body(f'Story {i}: {_BEGINNING}', tokens, i)
    )
    assert status == 200, found
    return found['usage']['completion_tokens']

  began = time.monotonic()
  with futures.ThreadPoolExecutor(clients) as pool:
    count = sum(pool.map(ask, range(clients)))
  return round(count / (time.monotonic() - began), 1)


def burst(client: Client, first: int) -> dict[str, Any]:
  """Long prompts while a stream is written; `first` of their numbers."""
  came, connection = [], client.connect()
  connection.request(
      'POST', COMPLETION, json.dumps(
          body(_BEGINNING + long_text(first), 64, 0) | {'stream': True}
      ), {'Content-Type': 'application/json'},
  )
  reply = connection.getresponse()

  def listen():
    for line in reply:
      if line.startswith(b'data'):
        came.append(time.monotonic())

  def ask(i):
    status, found = client.ask(COMPLETION, body(long_text(i), 4, i))
    assert status == 200, found
    return time.monotonic() - began, found['usage']['prompt_tokens']

  with futures.ThreadPoolExecutor(_PROMPTS + 1) as pool:
    listening = pool.submit(listen)
    while len(came) < 3:
      time.sleep(0.01)
    began = time.monotonic()
    found = list(pool.map(ask, range(first + 1, first + 1 + _PROMPTS)))
    listening.result()
  connection.close()
  seconds = sorted(took for took, _ in found)
  return {
      'prompts': _PROMPTS, 'tokens_of_a_prompt': found[0][1],
      'longest_pause_s': round(max(b - a for a, b in zip(came, came[1:])), 1),
      'mean_answer_s': round(sum(seconds) / len(seconds), 1),
      'last_answer_s': round(seconds[-1], 1),
  }


def main() -> None:
  """Prints what was measured, and writes it as JSON."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--model_dir', required=True)
  parser.add_argument('--out', default='streams.json')
  options = parser.parse_args()
  with served(f'--model_dir={options.model_dir}') as client:
    client.timeout = 600
    for clients in _CLIENTS:  # what is compiled
      tokens_per_second(client, clients, 16)
    found = {'tokens_per_second': {
        clients: tokens_per_second(client, clients, 40) for clients in _CLIENTS
    }}
    burst(client, 100)
    found['burst'] = burst(client, 200)
  print(json.dumps(found))
  pathlib.Path(options.out).write_text(json.dumps(found, indent=2) + '\n')


if __name__ == '__main__':
  main()
