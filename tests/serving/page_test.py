# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The page of a server, used in a browser as people do."""

import io
import re

import numpy as np
from playwright.sync_api import expect, sync_playwright
import pytest

import flamingo_jax as fj
from flamingo_jax.data import data_uri
from flamingo_jax.serving.limits import Limits
from launch import browser
from tests.prepare import exporters
from tests.serving.conftest import running

# Two pictures with two words, of which the model takes the right one.
EPISODE = '/v1/episode?seed=7&shots=2'
MARKUP = '<img src=x onerror="window.ran = true">'
# Of a request that is refused, which a test asks for.
REFUSED = re.compile('Failed to load resource.* 40[01] ')

pytestmark = pytest.mark.skipif(
    browser.find() is None, reason=f'no browser: {browser.REMEDY}'
)


@pytest.fixture(scope='module')
def chromium():
  expect.set_options(timeout=60_000)  # a first question is compiled
  with sync_playwright() as playwright:
    yield playwright.chromium.launch(
        executable_path=browser.find(), args=browser.FLAGS
    )


@pytest.fixture(scope='module')
def client(model):
  with running(model, Limits()) as client:
    yield client


@pytest.fixture
def page(chromium, client):
  """A page of 360 pixels, in which nothing goes wrong unseen."""
  context = chromium.new_context(viewport={'width': 360, 'height': 740})
  context.set_default_timeout(60_000)
  page, wrong = context.new_page(), []
  page.on('pageerror', lambda error: wrong.append(str(error)))
  page.on('console', lambda line: wrong.append(line.text) if (
      line.type == 'error' and not REFUSED.match(line.text)
  ) else None)
  page.goto(f'http://127.0.0.1:{client.port}/')
  yield page
  width = page.evaluate('document.documentElement.scrollWidth')
  ran = page.evaluate('window.ran')
  context.close()
  assert not wrong and width == 360 and ran is None


@pytest.fixture(scope='module')
def episode(client):
  """(files of the pictures, the words at all but the last, what is asked)."""
  _, found = client.ask(EPISODE)
  pictures = [
      data_uri.decode(part['image_url']['url'])
      for part in found['content'] if part['type'] == 'image_url'
  ]
  files = [
      {'name': f'{i}.png', 'mimeType': 'image/png', 'buffer': picture}
      for i, picture in enumerate(pictures)
  ]
  words = [
      part['text'] for part in found['content'] if part['type'] == 'text'
  ]
  return files, words, found


def build(page, episode):
  """Shows and tells all of an episode, and asks."""
  files, words, found = episode
  page.locator('.drop-hint input').set_input_files(files[:-1])
  for i, word in enumerate(words):
    page.get_by_label(f'Text of shot {i + 1}').fill(word.strip())
  drop(page, '#query-card .slot', files[-1])
  page.get_by_label('Candidates').fill(
      '\n'.join(text.strip() for text in found['candidates'])
  )
  ask(page)


def drop(page, selector, file):
  """Drops a file on a place, as one drags it there."""
  page.evaluate(
      """([selector, name, type, bytes]) => {
        const dataTransfer = new DataTransfer();
        const data = new Uint8Array(bytes);
        dataTransfer.items.add(new File([data], name, {type}));
        for (const kind of ['dragover', 'drop']) {
          document.querySelector(selector).dispatchEvent(new DragEvent(kind, {
            dataTransfer, bubbles: true, cancelable: true,
          }));
        }
      }""",
      [selector, file['name'], file['mimeType'], list(file['buffer'])],
  )
  expect(page.locator(f'{selector}.filled')).to_be_visible()


def ask(page):
  button = page.get_by_role('button', name='Ask', exact=True)
  button.click()
  expect(button).to_be_visible()


def texts(page, count):
  return [
      page.get_by_label(f'Text of shot {i + 1}').input_value()
      for i in range(count)
  ]


def shares(page):
  """What the bars say."""
  return page.locator('.bars .amount b').all_inner_texts()


def expected(model, episode, words):
  """What they are to say."""
  files, _, found = episode
  prompt = []
  for file, word in zip(files, words):
    prompt += [fj.image(file['buffer']), word]
  prompt.append(fj.image(files[-1]['buffer']))
  scores = np.exp(model.score(prompt, found['candidates']))
  return [shown(share) for share in scores / scores.sum()]


def shown(share):
  rounded = round(100 * share)
  return {0: '< 1 %', 100: '> 99 %'}.get(rounded, f'{rounded} %')


def test_two_shots_tell_the_word_and_shuffled_they_do_not(page, model, episode):
  _, words, found = episode
  build(page, episode)
  expect(page.locator('#answer')).to_have_text(found['answer'].strip())
  assert shares(page) == expected(model, episode, words)

  before = shares(page)
  page.get_by_role('button', name='Shuffle labels').click()
  expect(page.locator('.bars.compared')).to_be_visible()
  assert texts(page, 2) == [word.strip() for word in words[::-1]]
  assert shares(page) == expected(model, episode, words[::-1]) != before
  was = page.locator('.bars .amount span').all_inner_texts()
  assert [text.strip() for text in was] == [f'was {text}' for text in before]


def test_what_is_written_and_shown_survives_a_reload(page, episode):
  _, words, found = episode
  build(page, episode)
  page.get_by_role('button', name='Move shot 2 up').click()
  page.reload()
  assert texts(page, 2) == [word.strip() for word in words[::-1]]
  expect(page.locator('.slot.filled img')).to_have_count(3)
  candidates = page.get_by_label('Candidates').input_value()
  assert candidates.split() == [text.strip() for text in found['candidates']]


def test_the_mask_shows_which_picture_each_token_sees(page, client, episode):
  build(page, episode)
  _, found = client.ask(
      '/v1/explain', {'prompt': episode[2]['content']}
  )
  tokens = [
      [int(run.get_attribute('data-sees') or 0), token.strip()]
      for run in page.locator('.run').all()
      for token in run.locator('.token').all_inner_texts()
  ]
  assert tokens == [
      [token['medium'], token['text'].replace('▁', '')]
      for token in found['tokens']
  ]
  page.get_by_role('button', name='Picture 2').click()
  assert {
      run.get_attribute('data-sees') for run in page.locator('.run.lit').all()
  } == {'2'}


def test_a_video_is_one_medium_of_its_frames(page):
  frames = np.zeros((12, 32, 48, 3), np.uint8)
  clip = exporters.encode_video(frames, 4, 'libvpx', 'yuv420p', 'webm')
  page.locator('.drop-hint input').set_input_files(
      [{'name': 'v.webm', 'mimeType': 'video/webm', 'buffer': clip}]
  )
  expect(page.locator('.film img')).to_have_count(3)  # one per second
  page.get_by_label('Text of shot 1').fill('It moves.')
  ask(page)
  assert page.locator('.run').last.get_attribute('data-sees') == '1'
  assert page.locator('.seen').count() == 1


def test_a_broken_picture_is_told_beside_it(page, episode):
  files, *_ = episode
  broken = {**files[1], 'name': f'{MARKUP}.png', 'buffer': b'\x89PNG no more'}
  page.locator('.drop-hint input').set_input_files([files[0], broken])
  ask(page)
  problem = page.locator('.shot').nth(1).locator('.problem:visible')
  expect(problem).to_contain_text(f'{MARKUP}.png')
  assert page.locator('.problem:visible').count() == 1
  # It is gone with the picture.
  page.get_by_role('button', name='Remove picture of shot 2').click()
  expect(problem).to_have_count(0)


def test_an_array_is_a_medium_too(page):
  file = io.BytesIO()
  np.save(file, np.zeros((4, 3, 2), np.float32))
  page.locator('.drop-hint input').set_input_files([{
      'name': 'walk.npy', 'mimeType': '', 'buffer': file.getvalue(),
  }])
  expect(page.locator('.shot .frame')).to_have_text('walk.npy')
  page.reload()
  expect(page.locator('.shot .frame')).to_have_text('walk.npy')
  with page.expect_request('**/v1/completions') as sent:
    ask(page)
  (part, *_) = sent.value.post_data_json['prompt']
  assert data_uri.decode(part['features_url']['url']) == file.getvalue()
  # This model sees pictures.
  problem = page.locator('.shot .problem:visible')
  expect(problem).to_contain_text('walk.npy')
  assert page.locator('.problem:visible').count() == 1


def test_texts_are_never_markup(page):
  page.get_by_role('button', name='Add a shot').click()
  page.keyboard.type(MARKUP)
  page.get_by_label('Candidates').fill(f'{MARKUP}\nno')
  ask(page)
  assert page.locator('.candidate').all_inner_texts() == [MARKUP, 'no']
  assert MARKUP in page.locator('.run').inner_text().replace('\n', '')
  page.get_by_role('link', name='Chat').click()
  page.get_by_label('Message', exact=True).fill(MARKUP)
  page.keyboard.press('Enter')
  expect(page.locator('.user .said')).to_have_text(MARKUP)
  expect(page.get_by_role('button', name='Send')).to_be_visible()
  assert page.locator('img[src=x]').count() == 0


def test_a_dialogue_keeps_its_pictures(page, client, episode):
  page.get_by_role('link', name='Chat').click()
  page.locator('#message-form input').set_input_files(episode[0][0])
  for said in ('What is it?', 'And now?'):
    page.get_by_label('Message', exact=True).fill(said)
    page.keyboard.press('Enter')
    expect(page.get_by_role('button', name='Send')).to_be_visible()
  first, second = (
      text.inner_text() for text in page.locator('.assistant .said').all()
  )
  picture = episode[2]['content'][0]
  asked = [
      {'role': 'user', 'content': [
          picture, {'type': 'text', 'text': 'What is it?'}]},
      {'role': 'assistant', 'content': first},
      {'role': 'user', 'content': 'And now?'},
  ]
  for messages, answer in ((asked[:1], first), (asked, second)):
    _, found = client.ask('/v1/chat/completions', {
        'messages': messages, 'temperature': 0, 'max_tokens': 64,
    })
    assert found['choices'][0]['message']['content'] == answer
  page.reload()
  expect(page.locator('.message')).to_have_count(4)
  page.get_by_role('button', name='Undo last turn').click()
  expect(page.locator('.message')).to_have_count(2)
  assert page.get_by_label('Message', exact=True).input_value() == 'And now?'


def test_accuracy_comes_in_until_it_is_stopped(page):
  page.get_by_role('link', name='Accuracy').click()
  page.get_by_role('button', name='Run').click()
  expect(page.locator('.curve.shuffled rect')).to_have_count(6)
  page.get_by_role('button', name='Stop').click()
  expect(page.get_by_role('button', name='Run')).to_be_visible()
  rows = page.locator('#numbers tbody tr').all_inner_texts()
  assert [row.split()[0] for row in rows] == ['0', '1', '2', '4', '8', '16']
  assert all('%' in row for row in rows)


def test_a_protected_server_asks_for_its_token(chromium, model):
  with running(model, token='a-secret') as client:
    page = chromium.new_page()
    page.goto(f'http://127.0.0.1:{client.port}/')
    for token in ('wrong', 'a-secret'):
      page.get_by_label('This server needs a token').fill(token)
      page.keyboard.press('Enter')
    expect(page.locator('#model')).to_have_text('flamingo_tiny')
    page.reload()
    expect(page.locator('#model')).to_have_text('flamingo_tiny')
    page.close()
