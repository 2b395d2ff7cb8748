# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pages on both sides of each threshold of MassiveWeb (Gopher, appendix A)."""

import itertools
import math

import pytest

from flamingo_jax.prepare.pages import filters
from tests.prepare.pages.filters_test import reasons

# Of five letters, as "the be" is together; no two are the same.
WORDS = [''.join(w) for w in itertools.product('abcdefghijk', repeat=5)]
ROWS = filters.PAGES['m3w']


def page(words, line=10, end='\n'):
  """Words in lines of so many; two of them are English."""
  words = ['the be', *words]
  lines = [' '.join(words[i : i + line]) for i in range(0, len(words), line)]
  return end.join(lines)


def words(count, letters=5):
  """Without any English ones."""
  return ' '.join(f'{w[::-1]:z<{letters}}'[:letters] for w in WORDS[:count])


def marked(count, mark):
  """100 words, so many of them with a mark that ends no line."""
  return page([
      word + mark * (i % 8 == 1 and i // 8 < count)
      for i, word in enumerate(WORDS[:98])
  ])


def edged(count, begin='', end=''):
  """Ten lines, so many of which begin or end so."""
  lines = page(WORDS[:99]).split('\n')
  return '\n'.join(
      f'{begin}{line}{end}' if i < count else line
      for i, line in enumerate(lines)
  )


def with_parts(distinct, repeated, end):
  """Parts of 30 words, and one of a word that comes again so many times."""
  parts = page(WORDS[: 30 * distinct - 1], 30, '\t').split('\t')
  if end == '\n\n':
    parts = [part.replace(' ', '\n') for part in parts]
  for i in range(repeated + 1):
    parts.insert(2 * i, WORDS[-1])
  return end.join(parts)


def with_characters(distinct, repeated, end):
  """Parts of four words, some of which come once again between others."""
  parts = page(WORDS[: 4 * distinct - 1], 4, '\t').split('\t')
  for i in range(repeated):
    parts.insert(distinct - i, parts[i + 1])
  return end.join(parts)


def with_runs(length, times, different, slots):
  """So many words, different runs of so many of which come so many times."""
  fresh = iter(WORDS)
  runs = [list(itertools.islice(fresh, length)) for _ in range(different)]
  found = []
  for run in runs * times:
    found += [next(fresh), *run]
  return page([*found, *itertools.islice(fresh, slots - 1 - len(found))])


def pages_with_runs(length, most, times, different):
  """The most words that are too few for the runs among them, and one more."""
  counted = length * different * (times if different == 1 else times - 1)
  slots = math.ceil(counted / most - 1e-9)
  make = lambda slots: with_runs(length, times, different, slots)
  return make(slots), make(slots - 1)


# (the reason, a page that is kept, one that is dropped).
TABLE = [
    ('page has too few or many words', page(WORDS[:48]), page(WORDS[:47])),
    ('page has too few or many words',
     page(WORDS[:99_998], 1), page(WORDS[:99_999], 1)),
    ('page has odd words', f'the and {words(60, 3)}', f'the be {words(60, 3)}'),
    ('page has odd words', f'the and with that {words(100, 10)} {words(4, 16)}',
     f'the and with that {words(100, 10)} {words(5, 16)}'),
    ('page has hash signs', marked(10, ' #'), marked(11, ' #')),
    ('page has ellipses', marked(10, '...'), marked(11, '\u2026')),
    ('page is a list', edged(9, '- '), edged(10, '\u2022 ')),
    ('page has cut lines', edged(3, end='...'), edged(4, end='\u2026')),
    ('page lacks letters', page([*WORDS[:78], *map(str, range(10000, 10020))]),
     page([*WORDS[:78], *map(str, range(10000, 10021))])),
    ('page lacks English words', f'the of {words(60)}', f'the the {words(60)}'),
    ('page repeats lines', with_parts(6, 3, '\n'), with_parts(8, 4, '\n')),
    ('page repeats paragraphs',
     with_parts(6, 3, '\n\n'), with_parts(8, 4, '\n\n')),
    ('page repeats characters of lines',
     with_characters(20, 5, '\n'), with_characters(19, 5, '\n')),
    ('page repeats characters of paragraphs',
     with_characters(20, 5, '\n\n'), with_characters(19, 5, '\n\n')),
    *((f'page has one run of {n} words too often',
       *pages_with_runs(n, most, 6, 1))
      for n, most in ((2, 0.20), (3, 0.18), (4, 0.16))),
    *((f'page repeats runs of {n} words', *pages_with_runs(n, most, 2, 3))
      for n, most in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11),
                      (10, 0.10))),
]


@pytest.mark.parametrize(
    'reason, kept, dropped', TABLE, ids=[row[0] for row in TABLE]
)
def test_a_page_is_dropped_just_beyond_a_threshold(reason, kept, dropped):
  assert reasons(ROWS, kept) == []
  assert reason in reasons(ROWS, dropped)


def test_each_threshold_is_tested():
  assert [row.name for row in ROWS] == list(dict.fromkeys(reason for reason, *_ in TABLE))
