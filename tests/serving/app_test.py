# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The endpoints with the shipped model: answers are the model's own."""

import base64
import io

import numpy as np
from PIL import Image
import pytest

import flamingo_jax as fj
from tests.serving.http_client import CHAT, COMPLETION, picture, png, text

PICTURES = [png(i) for i in range(3)]
SHOTS = [picture(PICTURES[0]), text(' zupo.'), picture(PICTURES[1])]


def parts_of(content):
  """As the Python API takes them."""
  return [
      part['text'] if part['type'] == 'text'
      else fj.image(part['image_url']['url']) for part in content
  ]


def test_a_completion_is_what_the_model_generates(client, model):
  for prompt in ('a small red', [picture(PICTURES[0]), text(' a small')], SHOTS):
    parts = [prompt] if isinstance(prompt, str) else parts_of(prompt)
    expected = model.generate(parts, max_new_tokens=6)
    status, found = client.ask(COMPLETION, {
        'prompt': prompt, 'max_tokens': 6, 'temperature': 0,
    })
    assert status == 200, found
    (choice,) = found['choices']
    assert choice['text'].strip() == expected
    said = found['usage']['completion_tokens']
    assert choice['finish_reason'] == ('length' if said == 6 else 'stop')
    assert found['usage']['total_tokens'] == (
        said + len(model.tokenize(parts).tokens)
    )


def test_a_chat_of_the_shipped_model_is_its_turns_as_they_stand(client, model):
  messages = [
      {'role': 'user', 'content': SHOTS[:1]},
      {'role': 'assistant', 'content': ' zupo.'},
      {'role': 'user', 'content': SHOTS[2:]},
  ]
  status, found = client.ask(CHAT, {
      'model': 'flamingo_tiny', 'messages': messages, 'temperature': 0,
      'max_completion_tokens': 5, 'user': 'me',
  })
  assert status == 200, found
  assert found['object'] == 'chat.completion'
  assert found['choices'][0]['message'] == {
      'role': 'assistant', 'refusal': None,
      'content': model.generate(parts_of(SHOTS), max_new_tokens=5),
  }


def test_candidates_get_the_scores_of_the_model(client, model):
  words = [' zupo.', ' kiva.', ' bafu.']
  _, found = client.ask(COMPLETION, {
      'prompt': SHOTS, 'candidates': words, 'max_tokens': 0,
  })
  scores = model.score(parts_of(SHOTS), words)
  told = found['candidates']
  assert [entry['text'] for entry in told] == words
  np.testing.assert_allclose(
      [entry['log_prob'] for entry in told], scores, atol=1e-4
  )
  shares = np.exp(scores) / np.exp(scores).sum()
  np.testing.assert_allclose(
      [entry['probability'] for entry in told], shares, atol=1e-4
  )
  assert found['choices'][0]['text'] == ''


def test_what_is_streamed_adds_up_to_the_whole(client):
  for path, body in (
      (COMPLETION, {'prompt': ['a', 'the large'], 'n': 2, 'logprobs': 2}),
      (CHAT, {'messages': [{'role': 'user', 'content': SHOTS}], 'n': 2,
              'logprobs': True, 'top_logprobs': 2}),
  ):
    body |= {'max_tokens': 11, 'temperature': 1.5, 'seed': 7,
             'stream_options': {'include_usage': True}}
    _, whole = client.ask(path, body)
    *events, last = client.events(path, body)
    assert last['choices'] == [] and last['usage']['completion_tokens'] == (
        whole['usage']['completion_tokens']
    )
    texts, ends, log_probs = {}, {}, {}
    for event in events:
      assert event['object'] == (
          'text_completion' if path == COMPLETION else 'chat.completion.chunk'
      )
      for choice in event['choices']:
        number, delta = choice['index'], choice.get('delta', choice)
        new = delta.get('text', delta.get('content', '')) or ''
        texts[number] = texts.get(number, '') + new
        log_probs.setdefault(number, []).extend(
            (choice['logprobs'] or {}).get('content')
            or (choice['logprobs'] or {}).get('token_logprobs') or []
        )
        ends[number] = choice['finish_reason'] or ends.get(number)
    for choice in whole['choices']:
      said = choice.get('text', choice.get('message', {}).get('content'))
      assert texts[choice['index']] == said
      assert ends[choice['index']] == choice['finish_reason']
      told = choice['logprobs'].get('content') or (
          choice['logprobs'].get('token_logprobs')
      )
      assert log_probs[choice['index']] == told  # of the same program


def test_log_probabilities_are_those_of_the_likeliest(client):
  _, found = client.ask(COMPLETION, {
      'prompt': 'a small', 'max_tokens': 5, 'temperature': 0, 'logprobs': 3,
  })
  (choice,) = found['choices']
  told = choice['logprobs']
  assert ''.join(told['tokens']) == choice['text']
  for token, log_prob, others, start in zip(
      told['tokens'], told['token_logprobs'], told['top_logprobs'],
      told['text_offset'],
  ):
    assert choice['text'].startswith(token, start)
    assert len(others) == 3 and max(others, key=others.get) == token
    assert others[token] == pytest.approx(log_prob, abs=1e-5)


def test_an_answer_ends_at_a_stop(client):
  ask = lambda **more: client.ask(COMPLETION, {
      'prompt': 'a small', 'max_tokens': 20, 'temperature': 0, **more
  })[1]['choices'][0]
  said = ask()['text']
  middle = len(said) // 2
  stop = said[middle - 1 : middle + 3]
  found = ask(stop=['never', stop], logprobs=0)
  assert found['text'] == said.split(stop)[0]
  assert found['finish_reason'] == 'stop'
  # Of the tokens no more are told than reach the end.
  assert ''.join(found['logprobs']['tokens'][:-1]) in found['text']


def test_which_picture_each_token_sees(client, model):
  _, found = client.ask('/v1/explain', {'prompt': SHOTS})
  document = model.tokenize(parts_of(SHOTS))
  assert found['media'] == 2
  assert [entry['medium'] for entry in found['tokens']] == (
      document.media_index.tolist()
  )
  assert [entry['text'] for entry in found['tokens']] == (
      model.vocabulary.pieces(document.tokens)
  )
  messages = [{'role': 'user', 'content': SHOTS}]
  assert client.ask('/v1/explain', {'messages': messages})[1] == found


def test_the_model_solves_the_episodes_that_are_offered(client):
  right = {0: 0, 1: 0}
  for seed in range(6):
    for shuffled in right:
      _, found = client.ask(f'/v1/episode?seed={seed}&shots=8&shuffled={shuffled}')
      pictures = [
          Image.open(io.BytesIO(base64.b64decode(
              part['image_url']['url'].partition(',')[2]
          ))) for part in found['content'] if part['type'] == 'image_url'
      ]
      assert [p.size for p in pictures] == [(64, 64)] * 9
      _, said = client.ask(COMPLETION, {
          'prompt': found['content'], 'candidates': found['candidates'],
          'max_tokens': 0,
      })
      best = max(said['candidates'], key=lambda entry: entry['log_prob'])
      right[shuffled] += best['text'] == found['answer']
  assert right[0] == 6 > right[1]
  assert client.refusal('/v1/episode?shots=17', None)[0] == 400


def test_what_is_here(client):
  _, found = client.ask('/v1/models')
  assert [entry['id'] for entry in found['data']] == ['flamingo_tiny']
  assert client.ask('/v1/models/flamingo_tiny')[1] == found['data'][0]
  assert client.refusal('/v1/models/gpt', None)[0] == 404
  assert client.ask('/healthz') == (200, {'status': 'ok'})
  assert client.refusal('/v1', None)[0] == 404
  assert client.refusal(CHAT, None)[0] == 405


def test_a_video_of_chosen_frames(client, model):
  pixels = np.random.default_rng(0).integers(0, 256, (3, 9, 9, 3), np.uint8)
  frames = []
  for frame in pixels.repeat(4, 1).repeat(4, 2):
    file = io.BytesIO()
    Image.fromarray(frame).save(file, 'JPEG')
    frames.append(file.getvalue())
  address = 'data:video/jpeg;base64,' + ','.join(
      base64.b64encode(frame).decode() for frame in frames
  )
  _, found = client.ask(COMPLETION, {
      'prompt': [
          {'type': 'video_url', 'video_url': {'url': address}}, text(' a')
      ],
      'candidates': [' small', ' large'], 'max_tokens': 0,
  })
  clip = fj.video(np.stack([
      np.asarray(Image.open(io.BytesIO(frame))) for frame in frames
  ]))
  np.testing.assert_allclose(
      [entry['log_prob'] for entry in found['candidates']],
      model.score([clip, ' a'], [' small', ' large']), atol=1e-4,
  )
