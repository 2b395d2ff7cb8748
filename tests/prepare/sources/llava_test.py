# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Conversations as people write them: what is said is right, or counted."""

import base64
import itertools
import json

import pytest

from tests.prepare import exporters

PICTURES = {name: exporters.picture() for name in ('a.png', 'b.png', 'c.png')}


@pytest.fixture
def read(tmp_path, prepare):
  """Documents, drops and losses of conversations.

  A picture is told as its name; the first document, which is left out, is
  there so that one is left.
  """
  (tmp_path / 'in').mkdir()
  for name, data in PICTURES.items():
    (tmp_path / 'in' / name).write_bytes(data)
  names = {data: f'<{name}>' for name, data in PICTURES.items()}
  good, numbers = chat('What?', 'A cat.'), itertools.count()

  def run(*conversations):
    path = tmp_path / 'in' / 'chat.jsonl'
    path.write_text(''.join(
        (c if isinstance(c, str) else json.dumps(c)) + '\n'
        for c in (good, *conversations)
    ))
    found = prepare('llava', path, out=f'out{next(numbers)}')
    documents = [
        [p if isinstance(p, str) else names[p.data] for p in parts]
        for parts in found.parts
    ]
    return documents[1:], found.drops, found.losses

  return run


def chat(*said, image='a.png', **more):
  """A conversation of turns that say this, in turn."""
  turns = [
      {'from': ('human', 'gpt')[i % 2], 'value': text}
      for i, text in enumerate(said)
  ]
  return {'image': image, 'conversations': turns, **more}


@pytest.mark.parametrize('written, text', [
    ('7', '7'), ('0', '0'), ('3.0', '3.0'), ('1e3', '1e3'), ('-2.50', '-2.50'),
    (f'{10**30}', f'{10**30}'), ('"7"', '7'), ('["7"]', '7'), ('[7, "or 8"]',
    '7\nor 8'), ('[{"type": "text", "text": 7}]', '7'),
    ('{"type": "text", "text": "7"}', '7'), ('[{"text": "7"}]', '7'),
])
def test_numbers_and_lists_are_answers(read, written, text):
  line = json.dumps(chat('How many?', 'ANSWER')).replace('"ANSWER"', written)
  assert read(line) == (
      [['<a.png>', f'Question: How many?\nAnswer: {text}']], {}, {}
  )


@pytest.mark.parametrize('said', [
    None, True, False, {}, [], '', ' \n', [None], ['a', None], [['a']], [True],
    {'type': 'text', 'text': None}, float('nan'),
])
def test_what_is_no_answer_drops_the_conversation(read, said):
  documents, drops, losses = read(chat('What?', said))
  assert documents == [] and losses == {}
  (reason,) = drops
  assert reason in ('turn without a text', 'turn says something other than text')


@pytest.mark.parametrize('image', [
    {'type': 'image', 'image': 'b.png'}, {'type': 'image', 'url': 'b.png'},
    {'type': 'image', 'path': 'b.png'},
    {'type': 'image_url', 'image_url': 'b.png'},
    {'type': 'image_url', 'image_url': {'url': 'b.png', 'detail': 'low'}},
    {'image': 'b.png'}, {'image_url': {'url': 'b.png'}},
    {'type': 'image_url', 'image_url': {
        'url': f'data:image/png;base64,'
               f'{base64.b64encode(PICTURES["b.png"]).decode()}'}},
    {'type': 'image', 'source': {
        'type': 'base64', 'media_type': 'image/png',
        'data': base64.b64encode(PICTURES['b.png']).decode()}},
], ids=range(9))
def test_images_are_where_the_parts_have_them(read, image):
  said = ['What is', image, {'type': 'text', 'text': 'and'},
          {'type': 'image', 'image': 'c.png'}, 'for?']
  found = chat(said, 'Food.', image=None)
  assert read(found) == ([[
      'Question: What is', '<b.png>', 'and', '<c.png>', 'for?\nAnswer: Food.'
  ]], {}, {})
  found = {'messages': [{'role': 'user', 'content': said},
                        {'role': 'assistant', 'content': 'Food.'}]}
  documents, drops, losses = read(found)
  assert len(documents[0]) == 5 and drops == losses == {}


def test_parts_without_an_address_are_those_listed(read):
  said = [{'type': 'image'}, 'A', {'type': 'image', 'index': 1}, 'B']
  for key in ('image', 'images'):
    found = chat(said, 'C', image=None) | {key: ['b.png', 'c.png']}
    assert read(found) == ([
        ['<b.png>', 'Question: A', '<c.png>', 'B\nAnswer: C']], {}, {})


def test_tags_have_their_images_in_the_order_of_the_text(read):
  names = list(PICTURES)
  found = chat('<image> one <image> two <image>', 'Yes.', image=names)
  (document,), _, _ = read(found)
  assert [part for part in document if part[0] == '<'] == [
      f'<{name}>' for name in names
  ]
  assert document[1] == 'Question: one' and document[3] == 'two'


def test_an_image_of_the_web_is_a_loss(read):
  far = {'type': 'image_url', 'image_url': {'url': 'https://x.org/a.png'}}
  near = {'type': 'image', 'image': 'b.png'}
  assert read(chat(['A', far, 'B', near], 'C', image=None)) == (
      [['Question: A\n\nB', '<b.png>', 'Answer: C']], {},
      {'image was not fetched': 1},
  )


@pytest.mark.parametrize('conversation, reason', [
    (chat(['A', {'type': 'image_url', 'image_url': 'http://x/a.png'}], 'B',
          image=None), 'image was not fetched'),
    (chat('A', 'B', image='http://x/a.png'), 'image was not fetched'),
    (chat('A', 'B', image={'a': 1}), 'image is not a path'),
    (chat('A', 'B', image=['a.png', None]), 'image is not a path'),
    (chat('A', 'B', images=['b.png']), '"image" and "images" differ'),
    (chat('<image> A', 'B', image=['a.png', 'b.png']),
     'images and tags differ in number'),
    (chat(['A', {'type': 'image', 'image': 'b.png'}], 'B'),
     'images and tags differ in number'),
    (chat('A', 'B', image='../a.png'), 'path leads out of its folder'),
    (chat('A', 'B', image='/etc/hostname'), 'path leads out of its folder'),
    (chat(['A', {'type': 'image', 'image': 'file:///etc/hostname'}], 'B',
          image=None), 'path leads out of its folder'),
    (chat('A', 'B', image='a\0.png'), 'path cannot be read'),
    ({'image': 'a.png', 'conversations': {'from': 'human', 'value': 'A'}},
     'conversation without a turn'),
    ({'image': 'a.png', 'conversations': ['A']}, 'turn is not an object'),
    ({'image': 'a.png', 'conversations': [{'from': 'tool', 'value': 'A'}]},
     'turn of an unknown speaker'),
    ({'image': 'a.png', 'conversations': [{'from': ['human'], 'value': 'A'}]},
     'turn of an unknown speaker'),
    ({'conversations': [{'from': 'human', 'value': 'A'}]},
     'conversation without an image'),
    ('{"image": "a.png", "image": "b.png", "conversations": []}', 'not JSON'),
])
def test_what_cannot_be_meant_is_counted(read, conversation, reason):
  assert read(conversation) == ([], {reason: 1}, {})


def test_links_lead_no_further_than_the_folder(tmp_path, read):
  (tmp_path / 'out.png').write_bytes(PICTURES['b.png'])
  (tmp_path / 'in' / 'link.png').symlink_to(tmp_path / 'out.png')
  (tmp_path / 'in' / 'near.png').symlink_to('a.png')
  documents, drops, _ = read(
      chat('A', 'B', image='link.png'), chat('A', 'B', image='near.png')
  )
  assert len(documents) == 1 and drops == {'path leads out of its folder': 1}


def test_parts_of_other_kinds_are_counted(read):
  parts = [{'type': 'audio', 'audio': 'a.wav'}, {'type': 'text'}, 'What?']
  assert read(chat(parts, 'A cat.')) == (
      [['<a.png>', 'Question: What?\nAnswer: A cat.']], {},
      {'part of a turn is neither text nor an image': 2},
  )


@pytest.mark.parametrize('more', [
    {'system': 'Be brief.'},
    {'conversations': [
        {'from': 'system', 'value': 'Be brief.'},
        *chat('<image>\nWhat?', 'A cat.')['conversations']]},
])
def test_what_is_said_to_the_system_stands_first(read, more):
  found = chat('<image>\nWhat?', 'A cat.') | more
  assert read(found) == ([
      ['Be brief.', '<a.png>', 'Question: What?\nAnswer: A cat.']], {}, {})


@pytest.mark.parametrize('tag', [
    '<video>', '<IMAGE>', '<image 1>', '<image_2>', '<|image_1|>', '<img>a</img>',
    '<|vision_start|><|image_pad|><|vision_end|>', '<ImageHere>', '<audio>',
    '<start_of_image>', '<IMG_CONTEXT>', '[IMG]',
])
def test_tags_of_other_programs_do_not_become_text(read, tag):
  documents, drops, _ = read(
      chat(f'{tag}What?', 'A cat.'), chat('<image>What?', f'HTML has {tag}.')
  )
  assert documents == [
      ['<a.png>', f'Question: What?\nAnswer: HTML has {tag}.']
  ]
  assert drops == {'tag of a medium other than <image>': 1}


@pytest.mark.parametrize('more', [
    {'video': 'a.mp4', 'image': None}, {'video': 'a.mp4'},
    {'videos': ['a.mp4']}, {'audios': ['a.wav']},
])
def test_conversations_about_other_media_are_counted(read, more):
  assert read(chat('<image>What?', 'A cat.', **more)) == (
      [], {'conversation about a video or a sound': 1}, {}
  )
  empty = chat('<image>What?', 'A cat.', video=None, videos=[], audio='')
  assert len(read(empty)[0]) == 1


@pytest.mark.parametrize('wrap', [
    lambda line: f'{line}\n{line}\n', lambda line: f'{{"data": [{line}]}}',
])
def test_a_json_that_is_no_array_is_told_as_that(tmp_path, refuse, wrap):
  path = tmp_path / 'chat.json'
  path.write_text(wrap(json.dumps(chat('What?', 'A cat.'))))
  message = refuse('llava', path)
  assert '1 times file is not a whole JSON array' in message and '.jsonl' in message
  assert 'not an object' not in message
