# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Measures worked by hand, and what thresholds let fall."""

import functools

import pytest

from flamingo_jax.data import documents
from flamingo_jax.prepare.pages import filters
from flamingo_jax.prepare.pages import measures
from flamingo_jax.prepare.source import Dropped, Fitted

GOOD = (
    'On the day of the fair we went down to the river with all of our friends, '
    'and there was a man who had a boat of his own.\n'
    'He said that it would be better to wait until the water was low, but that '
    'we could have it for an hour if we were back before noon.\n'
    'So this is what we did, and none of us has ever told it to anyone.'
)


def run_of(measure, length):
  return functools.partial(measure, length=length)


@pytest.mark.parametrize('measure, text, expected', [
    (measures.count_words, "It's well-known: 3 cats", 4),
    (measures.word_length, 'a bb ccc', 2),
    (measures.hashes, 'one # two ...', 1 / 2),
    (measures.ellipses, 'one # two ... \u2026', 2 / 2),
    (measures.bullet_lines, '- a\nb\n\n* c\n\u2022 d', 3 / 4),
    (measures.ellipsis_lines, 'a...\nb \u2026\nc\nd', 1 / 2),
    (measures.alphabetic_words, 'a 1 b2 --', 1 / 2),
    (measures.english_words, 'The cat of THE house', 2),
    (measures.repeated_lines, 'a\nb\na\n\na', 1 / 2),
    (measures.repeated_paragraphs, 'a\nb\n\nb\n \na\nb', 1 / 3),
    (measures.characters_of_repeated_lines, 'abc\nd\nabc', 3 / 7),
    (measures.characters_of_repeated_paragraphs, 'a\nb\n\nc\n\na\nb', 3 / 7),
    (run_of(measures.most_frequent_run, 2), 'ab cd ab cd ef', 8 / 10),
    (run_of(measures.most_frequent_run, 2), 'ab cd ef', 0),
    # What overlaps is counted once; what was not there before is not counted.
    (run_of(measures.most_frequent_run, 2), 'a a a a b', 4 / 5),
    (run_of(measures.repeated_runs, 2), 'a b c a b c', 3 / 6),
    (run_of(measures.repeated_runs, 2), 'a a a a b', 3 / 5),
    # Of six runs of five words the first and the last are the same.
    (measures.repeated_words, 'a b c d e a b c d e', 2 / 6),
    # Of eleven runs of ten letters likewise.
    (measures.repeated_characters, 'abcdefghij' * 2, 2 / 11),
    (measures.special_characters, 'ab 1!', 2 / 5),
    (measures.stop_words, 'the cat of doom', 1 / 2),
    (measures.punctuation, 'One, two. Three', 2 / 3),
])
def test_measures(measure, text, expected):
  assert measure(text) == pytest.approx(expected)
  assert measure('') == 0


def reasons(thresholds, value):
  found = []
  for threshold in thresholds:
    try:
      threshold.check(value)
    except Dropped as dropped:
      found.append(dropped.reason)
  return found


@pytest.mark.parametrize('name', filters.PAGES)
def test_prose_passes(name):
  assert reasons(filters.PAGES[name], GOOD) == []
  for block in GOOD.splitlines():
    assert reasons(filters.BLOCKS[name], block) == []


TEXTS = {
    'page has too few or many words': 'a house ' * 1001,
    'page repeats characters': 'red cat ' * 40,
    'page repeats words': GOOD * 2,
    'page has special characters': GOOD + ' 1234567890' * 20,
    'page lacks stop words': 'green trees, dark houses. ' * 12,
    'page lacks punctuation': 'it is what we had and they did not ' * 12,
}


def test_pages_fall_by_the_thresholds_of_obelics():
  thresholds = filters.PAGES['obelics']
  assert list(TEXTS) == [threshold.name for threshold in thresholds]
  for reason, text in TEXTS.items():
    assert reason in reasons(thresholds, text)


@pytest.mark.parametrize('name, size, contrast, reason', [
    ('m3w', (64, 192), 9.0, None),
    ('m3w', (63, 100), 9.0, 'image is too small'),
    ('m3w', (193, 64), 9.0, 'image is too long'),
    ('m3w', (64, 64), 0.5, 'image of a single colour'),
    ('obelics', (150, 300), 9.0, None),
    ('obelics', (149, 200), 9.0, 'image is too small'),
    ('obelics', (20_001, 20_000), 9.0, 'image is too large'),
    ('obelics', (150, 301), 9.0, 'image is too long'),
])
def test_images_fall(name, size, contrast, reason):
  image = Fitted(documents.image(b'png'), *size, contrast=contrast)
  expected = [reason] if reason else []
  assert reasons(filters.IMAGES[name], image) == expected


def test_menus_and_other_languages():
  filters.check_links(0.8)
  with pytest.raises(Dropped, match='block is links'):
    filters.check_links(0.81)
  german = filters.for_language(filters.PAGES['m3w'], 'de')
  assert len(german) == len(filters.PAGES['m3w']) - 1
  assert not any(threshold.english for threshold in german)
