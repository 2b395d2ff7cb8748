# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The text that the shapes world's language model learns, and its words."""

import itertools
import re

import numpy as np
import pytest
import seqio

from flamingo_jax.data import text as text_tasks
from flamingo_jax.tasks import digits
from flamingo_jax.tasks import shapes_episodes
from flamingo_jax.tasks import shapes_text
from flamingo_jax.tasks import shapes_vocabulary
from flamingo_jax.tasks import shapes_world

TASKS = ('shapes_text_value', 'shapes_text')
ATTRIBUTE = {
    value: name
    for name, values in (
        *shapes_episodes.ATTRIBUTES.items(),
        ('size', tuple(shapes_world.SIZES)), ('digit', digits.NAMES),
    )
    for value in values
}


KIND = {
    shapes_world.name_kind(*kind): kind
    for kind in itertools.product(
        shapes_world.SHAPES, shapes_world.COLOURS, shapes_world.SIZES,
        shapes_world.TEXTURES,
    )
}


def read(task, split='train', count=200):
  found = seqio.TaskRegistry.get(task).source.documents(split)
  return [''.join(p.text for p in found[i].parts) for i in range(count)]


def items(text):
  """((description, ...), word) of each sentence; a noun is what it stands for.
  """
  sentences = [sentence.split() for sentence in text.split('.')[:-1]]
  told = lambda words: KIND.get(words[0], tuple(words))
  return [(told(words[:-1]), words[-1]) for words in sentences]


def is_episode(text):
  return text.split('.')[0].split()[-1] in shapes_episodes.SEEN_WORDS


def test_words_are_made_of_syllables_that_training_shows():
  seen, held_out = shapes_episodes.SEEN_WORDS, shapes_episodes.HELD_OUT_WORDS
  assert len(seen) + len(held_out) == 256 and not set(seen) & set(held_out)
  assert 0.18 < len(held_out) / 256 < 0.22
  for syllables in (lambda word: word[:2], lambda word: word[2:]):
    assert set(map(syllables, held_out)) <= set(map(syllables, seen))
    counts = np.unique([syllables(word) for word in seen], return_counts=True)
    assert counts[1].min() >= 12


def test_an_episodes_words_share_no_syllable():
  for seed in range(50):
    words = shapes_episodes.sample_words(np.random.default_rng(seed), 6)
    assert len({w[:2] for w in words}) == len({w[2:] for w in words}) == 6


@pytest.mark.parametrize('ways, shots', [(2, 0), (2, 5), (4, 16)])
def test_supports_are_balanced_and_queries_uniform(ways, shots):
  queries = []
  for seed in range(200):
    rng = np.random.default_rng(seed)
    *supports, query = shapes_episodes.sample_labels(rng, ways, shots)
    counts = np.bincount(supports, minlength=ways) if shots else [0]
    assert len(supports) == shots and np.ptp(counts) <= 1
    queries.append(query)
  assert np.bincount(queries).min() > 0.6 * 200 / ways


@pytest.mark.parametrize('task', TASKS)
def test_a_word_always_stands_for_the_same_value_of_one_attribute(task):
  counts = []
  for text in filter(is_episode, read(task)):
    found = items(text)
    counts.append(len(found))
    told = [set(map(ATTRIBUTE.get, description)) for description, _ in found]
    bound = [
        name for name in set.intersection(*told)
        if len({(word, value) for description, word in found
                for value in description if ATTRIBUTE[value] == name})
        == len({word for _, word in found})
    ]
    assert bound, text
    assert {word for _, word in found} <= set(shapes_episodes.SEEN_WORDS)
  assert len(counts) > 150 and min(counts) >= 10


def test_the_second_task_tells_more():
  told = [
      np.mean([len(items(text)[0][0]) for text in filter(is_episode, read(task))])
      for task in TASKS
  ]
  assert told[0] == 1 and 2.5 < told[1] < 4


def test_nouns_are_words_of_their_own():
  nouns = shapes_world.nouns()
  assert len(set(nouns)) == 8 * 8 * 2 * 3
  others = [s.strip() for s in shapes_vocabulary.symbols()]
  assert [others.count(noun) for noun in nouns] == [1] * len(nouns)


def test_nouns_stand_alone_in_half_of_the_episodes_and_are_explained():
  texts = read('shapes_text', count=400)
  shares = []
  for text in filter(is_episode, texts):
    sentences = [sentence.split() for sentence in text.split('.')[:-1]]
    assert all(len(words) == 2 for words in sentences if words[0] in KIND)
    shares.append(np.mean([words[0] in KIND for words in sentences]))
  assert 0.3 < np.mean(np.array(shares) == 1) < 0.5
  explained = [
      re.fullmatch(r'(\w+) a (\w+) (\w+) (\w+) (\w+)', sentence.strip())
      for text in texts for sentence in text.split('.')
  ]
  explained = [match.groups() for match in explained if match]
  assert len(explained) > 100
  for noun, size, texture, colour, shape in explained:
    assert KIND[noun] == (shape, colour, size, texture)


def test_tags_are_left_in_half_of_the_captions():
  texts = [
      ''.join(part.text for part in shapes_text.draw_captions(
          np.random.default_rng(seed), shapes_text.PAIRS
      ))
      for seed in range(150)
  ]
  assert 0.3 < np.mean(['<image>' in text for text in texts]) < 0.7


def test_text_shows_what_pictures_hold_out():
  texts = ' '.join(read('shapes_text', count=600))
  pairs = re.findall(
      f'({"|".join(shapes_world.COLOURS)}) ({"|".join(shapes_world.SHAPES)})',
      texts,
  )
  assert {(shape, colour) for colour, shape in pairs} >= shapes_world.HELD_OUT
  assert set(digits.NAMES) <= set(re.findall(r'\w+', texts))


@pytest.mark.parametrize('task', [*TASKS, 'shapes_pairs', 'shapes_m3w'])
def test_every_word_is_one_token_and_every_made_up_word_two(task):
  vocabulary = shapes_vocabulary.shapes_vocabulary()
  found = seqio.TaskRegistry.get(task).source.documents('train')
  for document in (found[i] for i in range(100)):
    texts = [part for part in document.parts if isinstance(part, str)]
    if task in TASKS:
      texts = [''.join(part.text for part in document.parts)]
    for text in texts:
      units = re.findall(r'<image>|\w+:?|[^\w ]', text)
      made_up = sum(unit in shapes_episodes.SEEN_WORDS for unit in units)
      # Without a space before it, 'an' is two letters.
      spelt = len(re.findall(r'(?<! )\ban\b', text))
      assert len(vocabulary.encode(text)) == len(units) + made_up + spelt
    if task in TASKS:
      tokens, weights = text_tasks.tokenize(document, vocabulary)
      assert len(tokens) <= shapes_text.LENGTH
      assert set(weights.tolist()) <= {np.float32(0.03).item(), 1.0}


def test_the_vocabulary_is_made_by_its_command(tmp_path, monkeypatch):
  path = tmp_path / 'again.model'
  monkeypatch.setattr('sys.argv', ['shapes_vocabulary', str(path)])
  shapes_vocabulary.main()
  again = shapes_vocabulary.vocabulary_lib.Vocabulary(path)
  vocabulary = shapes_vocabulary.shapes_vocabulary()
  every_id = range(vocabulary.size)
  assert again.pieces(every_id) == vocabulary.pieces(every_id)
  assert len(vocabulary.image_tag) == 1
  for text in ('Strange words\n  and <0x0A>', 'é ▁'):
    assert vocabulary.decode(vocabulary.encode(text)) == text
