# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the shapes world as tasks."""

import functools
import re

import numpy as np
import pytest
import seqio

from flamingo_jax.data import documents
from flamingo_jax.data import interleaved
from flamingo_jax.evaluation import prompts
from flamingo_jax.tasks import digits_bind
from flamingo_jax.tasks import shapes
from flamingo_jax.tasks import shapes_vocabulary
from flamingo_jax.tasks import shapes_world

assert digits_bind  # it registers
TASKS = ('shapes_m3w', 'shapes_pairs', 'shapes_video')
PAIRS = [
    'a small dotted blue star',
    'a large striped red pentagon',
    'a large plain orange heart and a large plain red ring',
]


@functools.cache
def _read(task, split='train', count=200):
  found = seqio.TaskRegistry.get(task).source.documents(split)
  return [found[i] for i in range(count)]


def _text(document):
  return ''.join(part for part in document.parts if isinstance(part, str))


def _media(document):
  return [
      part for part in document.parts if isinstance(part, documents.Media)
  ]


@pytest.mark.parametrize('task', [*TASKS, 'digits_bind'])
def test_a_document_is_a_function_of_its_index(task):
  found = seqio.TaskRegistry.get(task).source.documents('train')
  first, again = found[123_456], found[123_456]
  assert _text(first) == _text(again)
  for a, b in zip(_media(first), _media(again), strict=True):
    np.testing.assert_array_equal(a.data, b.data)
  assert first.example_id == 123_456
  assert first.source == f'{task}:train:123456'
  with pytest.raises(IndexError, match='no document 1000000 in train'):
    found[1_000_000]


def test_tasks_and_splits_differ():
  texts = {
      (task, split): tuple(map(_text, _read(task, split, count=9)))
      for task in TASKS
      for split in shapes.SPLITS
  }
  assert len(set(texts.values())) == 9


def test_the_numbers_do_not_drift():
  # Index-seeded data is only the same everywhere if nobody changes the draws.
  assert [_text(document) for document in _read('shapes_pairs')[:3]] == PAIRS


@pytest.mark.parametrize('task', TASKS)
def test_only_the_held_out_split_shows_held_out_pairs(task):
  held_out = {f'{colour} {shape}' for shape, colour in shapes_world.HELD_OUT}
  pattern = re.compile(
      f'({"|".join(shapes_world.COLOURS)}) ({"|".join(shapes_world.SHAPES)})'
  )
  find = lambda texts: {m[0] for text in texts for m in pattern.finditer(text)}
  for split in shapes.SPLITS:
    parts = [d.parts for d in _read(task, split)]
    shown = [p for found in parts for p in _shown(found)]
    named = find(shown)
    assert named
    assert named <= held_out if split == 'held_out' else not named & held_out
    # What lost its picture may name any pair.
    lost = find(p for found in parts for p in _texts(found)) - named
    assert bool(lost) == (task == 'shapes_m3w')


def _texts(parts):
  return [part for part in parts if isinstance(part, str)]


def _shown(parts):
  """Texts but those which a page has in the place of a picture."""
  return [
      part for part, after in zip(parts, (*parts[1:], ''))
      if isinstance(part, str) and after is not documents.END_OF_CHUNK
  ]


def test_pairs_are_a_picture_and_its_caption():
  for document in _read('shapes_pairs'):
    picture, caption = document.parts
    assert picture.kind == 'image'
    assert picture.data.shape == (64, 64, 3)
    assert re.match(r'a (small|large) (plain|striped|dotted) \w+ \w+', caption)
  counts = np.bincount([
      len(re.findall('small|large', _text(d))) for d in _read('shapes_pairs')
  ])
  assert counts[0] == 0 and (counts[1:] > 15).all() and len(counts) == 4


def test_colours_without_a_name_are_not_in_the_caption():
  for document in _read('shapes_unnamed'):
    _, caption = document.parts
    assert not re.search('|'.join(shapes_world.COLOURS), caption)
    assert re.match(r'a (small|large) (plain|striped|dotted) \w+', caption)


def test_videos_are_eight_moving_frames():
  for document in _read('shapes_video', count=20):
    clip, caption = document.parts
    assert clip.kind == 'video'
    assert clip.data.shape == (8, 64, 64, 3)
    assert all((a != b).any() for a, b in zip(clip.data, clip.data[1:]))
    assert re.fullmatch(r'an? \w+ \w+ moves (left|right|up|down)', caption)


def test_documents_interleave_pictures_and_text():
  opens_with_picture = lost = 0
  for document in _read('shapes_m3w'):
    missing = document.parts.count(documents.END_OF_CHUNK)
    assert 2 <= len(_media(document)) + missing <= 4
    assert missing < 3 and _media(document)
    lost += bool(missing)
    opens_with_picture += not isinstance(document.parts[0], str)
    assert isinstance(document.parts[-1], str)
  assert opens_with_picture > 40
  assert 15 < lost < 60  # a sixth


def test_a_page_that_lost_pictures_has_the_form_of_a_prompt_without_shots():
  document = next(
      d for d in _read('shapes_m3w')
      if d.parts.count(documents.END_OF_CHUNK) == 2
      and d.parts[1] is documents.END_OF_CHUNK
  )
  first, _, second, _, picture, third = document.parts[:6]
  seen = interleaved.tokenize_document(
      document.parts, shapes_vocabulary.shapes_vocabulary()
  )
  supports = [
      prompts.Sample((), '', (text,), 'support', i)
      for i, text in enumerate((first, second))
  ]
  query = prompts.Sample((picture,), '', (third,), 'query', 2)
  prompt = interleaved.tokenize_document(
      prompts.join(supports, query), shapes_vocabulary.shapes_vocabulary(),
      close=False,
  )
  count = len(prompt.tokens)
  np.testing.assert_array_equal(seen.tokens[:count], prompt.tokens)
  np.testing.assert_array_equal(seen.media_index[:count], prompt.media_index)


def test_questions_are_answered_by_the_picture():
  kinds = set()
  for seed in range(300):
    rng = np.random.default_rng(seed)
    scene = shapes_world.sample_scene(rng, 1 + seed % 4)
    question, answer = re.fullmatch(
        'Question: (.*) Answer: (.*)', shapes.ask(rng, scene)
    ).groups()
    about = re.search('the (.*?) (small|look)|the (.*)[?]', question)
    kinds.add(re.sub('the [a-z]+', 'the', question))
    if about is None:
      assert answer == ('one', 'two', 'three', 'four')[len(scene.things) - 1]
      continue
    shape = about[1] or about[3]
    (thing,) = [thing for thing in scene.things if thing.shape == shape]
    assert answer in (thing.colour, thing.size, thing.texture)
    assert (answer in shapes_world.COLOURS) == ('colour' in question)
    assert (answer in shapes_world.SIZES) == ('small or large' in question)
  assert len(kinds) == 4


def test_everything_fits_the_examples_that_the_tiny_model_reads():
  vocabulary = shapes_vocabulary.shapes_vocabulary()
  for task, tokens in {'shapes_m3w': 96, 'shapes_pairs': 32,
                       'shapes_video': 32}.items():
    lengths = [
        len(interleaved.tokenize_document(d.parts, vocabulary).tokens)
        for d in _read(task)
    ]
    assert max(lengths) <= tokens
