# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From bodies to prompts: who speaks, and how answers are made."""

import json

import pytest

from flamingo_jax.data.documents import END_OF_CHUNK
from flamingo_jax.serving.asking import Asking, plain
from flamingo_jax.serving.bodies import Options
from flamingo_jax.serving.refusals import Refusal
from tests.serving.conftest import LIMITS


@pytest.fixture(scope='module')
def asking(model):
  found = Asking(model, 'own', LIMITS, frozenset(), is_plain=False)
  yield found
  found.pool.shutdown()


def understand(asking, **body):
  return asking.understand(json.dumps(body).encode(), 'messages' in body)


def test_a_dialogue_is_written_as_its_makers_do(asking, model):
  messages = [{'role': 'developer', 'content': 'Be brief.'},
              {'role': 'user', 'content': 'What is it?'}]
  found = understand(asking, messages=messages, stop='!', stream=True)
  assert found.prompts == [model.dialogue.parts(
      [('system', ['Be brief.']), ('user', ['What is it?'])]
  )]
  assert found.stops == ('!', *model.dialogue.stops) and found.streams
  with pytest.raises(Refusal, match='system at the beginning'):
    understand(asking, messages=messages[::-1])


def test_what_stands_as_it_is(asking):
  messages = [('user', ['a']), ('assistant', ['b']), ('user', ['c'])]
  assert plain(messages) == ['a', 'b', END_OF_CHUNK, 'c']
  assert plain(messages[:2]) == ['a', 'b']  # which the model goes on with


def test_options_are_those_of_openai(asking):
  default = understand(asking, prompt='a').options
  assert (default.temperature, default.answers, default.stops) == (1.0, 1, ())
  assert default.max_new_tokens is None and default.alternatives is None
  seeds = {understand(asking, prompt='a').options.seed for _ in range(3)}
  assert len(seeds) == 3  # other draws each time
  found = understand(
      asking, prompt='a', temperature=0, top_p=0.5, top_k=3, seed=-1, n=2,
      max_tokens=3, stop=['x'], logprobs=0, user='me', tools=None,
  ).options
  assert found == Options(
      answers=2, max_new_tokens=3, temperature=0.0, seed=2**31 - 1,
      stops=('x',), alternatives=0,
  )
