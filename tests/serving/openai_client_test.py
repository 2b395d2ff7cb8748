# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""OpenAI's own client asks the server, and so does lmms-eval's way to use it."""

import asyncio

import openai
import pytest

import flamingo_jax as fj
from tests.serving.conftest import running
from tests.serving.http_client import picture, png, text

MESSAGES = [
    {'role': 'user', 'content': [picture(png(0))]},
    {'role': 'assistant', 'content': ' zupo.'},
    {'role': 'user', 'content': [picture(png(1))]},
]
PARTS = [fj.image(png(0)), ' zupo.', fj.image(png(1))]
NAME = 'flamingo_tiny'


@pytest.fixture(scope='module')
def official(client):
  with openai.OpenAI(
      base_url=f'http://127.0.0.1:{client.port}/v1', api_key='none',
      max_retries=0,
  ) as found:
    yield found


def test_chat(official, model):
  expected = model.generate(PARTS, max_new_tokens=6)
  ask = lambda **more: official.chat.completions.create(
      model=NAME, messages=MESSAGES, temperature=0, max_tokens=6, **more
  )
  found = ask(logprobs=True, top_logprobs=2)
  assert found.choices[0].message.content == expected
  assert found.choices[0].logprobs.content[0].top_logprobs[0].logprob <= 0
  assert found.usage.total_tokens == (
      found.usage.prompt_tokens + found.usage.completion_tokens
  )
  chunks = list(ask(stream=True, stream_options={'include_usage': True}))
  assert chunks[-1].usage == found.usage
  assert ''.join(
      chunk.choices[0].delta.content or '' for chunk in chunks[:-1]
  ) == expected
  assert chunks[0].choices[0].delta.role == 'assistant'
  assert chunks[-2].choices[0].finish_reason == found.choices[0].finish_reason
  scored = ask(extra_body={'candidates': [' zupo.', ' kiva.']})
  assert len(scored.candidates) == 2


def test_completions_and_models(official, model):
  found = official.completions.create(
      model=NAME, prompt=['a small', 'the large'], temperature=0, max_tokens=6,
      logprobs=1,
  )
  assert [choice.text.strip() for choice in found.choices] == model.generate(
      [['a small'], ['the large']], max_new_tokens=6
  )
  assert official.models.list().data[0].id == NAME
  assert official.models.retrieve(NAME).owned_by == 'flamingo_jax'


def test_refusals_are_its_exceptions(official, model):
  ask = lambda **more: official.chat.completions.create(
      **{'model': NAME, 'messages': MESSAGES} | more
  )
  with pytest.raises(openai.BadRequestError, match='n is 0') as refused:
    ask(n=0)
  assert refused.value.param == 'n'
  with pytest.raises(openai.NotFoundError, match='there is no model'):
    ask(model='gpt-4o')
  with running(model, token='a-secret') as client:
    other = official.with_options(base_url=f'http://127.0.0.1:{client.port}/v1')
    with pytest.raises(openai.AuthenticationError, match='needs a token'):
      other.models.list()
    assert other.with_options(api_key='a-secret').models.list().data


def test_what_lmms_eval_sends(client, model):
  """As its models/chat/async_openai.py does, many at once."""
  def payload(i):
    # Its ChatMessages.to_openai_messages: all content is a list of parts.
    return {
        'messages': [{'role': 'user', 'content': [
            picture(png(i)), text(' a small')
        ]}],
        'model': NAME, 'max_tokens': 1024, 'temperature': 0,
    }

  async def ask_all():
    async with openai.AsyncOpenAI(
        api_key='none', base_url=f'http://127.0.0.1:{client.port}/v1',
        timeout=600,
    ) as asks:
      return await asyncio.gather(*(
          asks.chat.completions.create(**payload(i)) for i in range(6)
      ))

  expected = model.generate(
      [[fj.image(png(i)), ' a small'] for i in range(6)], max_new_tokens=60
  )
  found = asyncio.run(ask_all())
  assert [reply.choices[0].message.content for reply in found] == expected
  assert all(reply.choices[0].finish_reason == 'stop' for reply in found)
