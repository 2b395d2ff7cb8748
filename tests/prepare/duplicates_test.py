# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What is removed because it was there before."""

import pathlib
import random

import pytest

from flamingo_jax.prepare import duplicates
from flamingo_jax.prepare import spool
from tests.prepare.counting import WORDS


def entry(number, *parts, url=None):
  """A document of a page; parts are texts, or (hash, look) of an image."""
  return spool.Entry(
      tuple(
          {'text': part} if isinstance(part, str) else
          {'kind': 'image', 'sha256': part[0], 'look': part[1]}
          for part in parts
      ),
      f'page {number}', f'http://a.org/{number}' if url is None else url, 0,
      pathlib.Path('x'),
  )


def run(entries):
  """(documents that are kept, the reasons of the others)."""
  units = [entries[i : i + 3] for i in range(0, len(entries), 3)]
  kept, drops = [], spool.Tally()
  for unit, verdict in zip(
      units, duplicates.judge_all(units.__getitem__, len(units)), strict=True
  ):
    kept += verdict.apply(unit)
    drops.merge(verdict.drops)
  return kept, [r for r, d in drops.items() for _ in range(d['count'])]


def image(number):
  return f'hash {number}', random.Random(number).getrandbits(64)


def test_pages_that_differ_are_kept_as_they_are():
  pages = [entry(i, f'{WORDS} {i}', image(i)) for i in range(20)]
  assert run(pages) == (pages, [])


def test_texts_around_what_is_removed_are_paragraphs():
  pages = [
      entry(i, f'{WORDS} {i}.', image(99), f'After {i}.', image(i))
      for i in range(11)
  ]
  kept, _ = run(pages)
  assert [page.parts for page in kept] == [
      ({'text': f'{WORDS} {i}.\n\nAfter {i}.'}, pages[i].parts[-1])
      for i in range(11)
  ]


@pytest.mark.parametrize('second, reason', [
    (entry(1, 'other ' + WORDS, image(1), url='http://a.org/0#part'),
     'page was there before'),
    (entry(1, WORDS.upper() + '!', image(1)),
     'text is that of an earlier document'),
    (entry(1, 'other ' + WORDS, image(0)),
     'images are those of an earlier document'),
])
def test_the_first_of_two_is_kept(second, reason):
  first = entry(0, WORDS, image(0))
  assert run([first, second]) == ([first], [reason])


def test_a_document_that_is_dropped_is_compared_no_further():
  pages = [
      entry(0, WORDS, image(0)), entry(1, WORDS, image(1)),
      entry(2, 'other ' + WORDS, image(1)),
  ]
  assert run(pages) == (
      [pages[0], pages[2]], ['text is that of an earlier document']
  )


@pytest.mark.parametrize('logo', [
    lambda i: ('logo', 0),  # the same bytes
    lambda i: (f'logo {i}', 77),  # the same picture, encoded anew
    lambda i: (f'logo {i}', 2**40 - 1 ^ 1 << i % 5),  # two bits apart
])
def test_an_image_of_many_pages_is_removed(logo):
  pages = [entry(i, f'{WORDS} {i}', image(100 + i), logo(i)) for i in range(11)]
  kept, reasons = run(pages)
  assert not reasons
  assert all(len(page.parts) == 2 for page in kept)
  kept, _ = run(pages[:10])
  assert all(len(page.parts) == 3 for page in kept), 'ten times is not often'


@pytest.mark.parametrize('look', [
    lambda i: random.Random(i % 2).getrandbits(64) ^ 0b11 << 3 * i,
    lambda i: 1 << i, lambda i: 2**64 - 1,  # flat pictures
])
def test_images_that_are_not_the_same_stay(look):
  pages = [
      entry(i, f'{WORDS} {i}', image(100 + i), (f'other {i}', look(i)))
      for i in range(20)
  ]
  assert run(pages) == (pages, [])


def test_a_page_of_nothing_but_such_an_image_is_dropped():
  pages = [
      entry(i, f'{WORDS} {i}', ('logo', 0), image(i)) for i in range(11)
  ] + [entry(11, f'{WORDS} 11', ('logo', 0))]
  assert run(pages)[1] == ['all images occur too often']


def test_documents_that_are_text_alone():
  pages = [entry(i, f'{WORDS} {i}') for i in range(3)]
  again = entry(3, f'{WORDS} 1')
  assert run([*pages, again]) == (
      pages, ['text is that of an earlier document']
  )


def test_lines_that_a_domain_repeats_are_removed():
  pages = [
      entry(i, f'{WORDS} {i}\n\nShare this page\n\nmore {i}', image(i))
      for i in range(3)
  ]
  other = entry(3, f'{WORDS} 3\n\nShare this page', image(3), url='http://b.c/')
  kept, _ = run([*pages, other])
  assert [page.parts[0]['text'] for page in kept] == [
      *(f'{WORDS} {i}\n\nmore {i}' for i in range(3)),
      f'{WORDS} 3\n\nShare this page',
  ]


def test_too_few_words_without_repeated_lines():
  pages = [entry(i, f'page {i}\n{WORDS}', image(i)) for i in range(3)]
  assert run(pages)[1] == ['all lines of text occur too often'] * 3
