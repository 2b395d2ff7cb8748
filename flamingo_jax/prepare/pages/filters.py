# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Which images, blocks and pages are kept: one table of thresholds.

'm3w' are the paper's: of images its own (Flamingo A.3.1), and of texts those of
MassiveWeb, on which it builds: quality (Gopher, Rae et al. 2021, A.1.1) and
repetition (Gopher, table A1), all of them. 'obelics' are those of OBELICS that
need no model. What falls is counted under the name of the threshold.
"""

from collections.abc import Iterable
import functools
import math
import operator

from flamingo_jax.prepare.pages import measures
from flamingo_jax.prepare.source import Dropped
from flamingo_jax.prepare.thresholds import Threshold


_short_side = lambda image: min(image.width, image.height)
_long_side = lambda image: max(image.width, image.height)
_aspect = lambda image: _long_side(image) / _short_side(image)
_PLAIN = Threshold(
    'image of a single colour', operator.attrgetter('contrast'), low=1.0
)

IMAGES = {
    'm3w': (
        Threshold('image is too small', _short_side, low=64),
        Threshold('image is too long', _aspect, high=3),
        _PLAIN,
    ),
    'obelics': (
        Threshold('image is too small', _short_side, low=150),
        Threshold('image is too large', _long_side, high=20_000),
        Threshold('image is too long', _aspect, high=2),
        _PLAIN,
    ),
}

# Blocks that fail are left out of their page. The paper has none of these.
BLOCKS = {
    'm3w': (),
    'obelics': (
        Threshold('block has too few or many words', measures.count_words,
                  4, 1000),
        Threshold('block repeats characters', measures.repeated_characters,
                  high=0.1),
        Threshold('block repeats words', measures.repeated_words, high=0.1),
        Threshold('block has special characters', measures.special_characters,
                  high=0.3),
        Threshold('block lacks stop words', measures.stop_words, low=0.3,
                  english=True),
    ),
}

# Shares of the characters in runs of n words (Gopher, table A1).
_MOST_FREQUENT = {2: 0.20, 3: 0.18, 4: 0.16}
_REPEATED = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}

PAGES = {
    'm3w': (
        # Gopher A.1.1.
        Threshold('page has too few or many words', measures.count_words,
                  50, 100_000),
        Threshold('page has odd words', measures.word_length, 3, 10),
        Threshold('page has hash signs', measures.hashes, high=0.1),
        Threshold('page has ellipses', measures.ellipses, high=0.1),
        Threshold('page is a list', measures.bullet_lines, high=0.9),
        Threshold('page has cut lines', measures.ellipsis_lines, high=0.3),
        Threshold('page lacks letters', measures.alphabetic_words, low=0.8),
        Threshold('page lacks English words', measures.english_words, low=2,
                  english=True),
        # Gopher, table A1.
        Threshold('page repeats lines', measures.repeated_lines, high=0.3),
        Threshold('page repeats paragraphs', measures.repeated_paragraphs,
                  high=0.3),
        Threshold('page repeats characters of lines',
                  measures.characters_of_repeated_lines, high=0.2),
        Threshold('page repeats characters of paragraphs',
                  measures.characters_of_repeated_paragraphs, high=0.2),
        *(Threshold(f'page has one run of {n} words too often',
                    functools.partial(measures.most_frequent_run, length=n),
                    high=high)
          for n, high in _MOST_FREQUENT.items()),
        *(Threshold(f'page repeats runs of {n} words',
                    functools.partial(measures.repeated_runs, length=n),
                    high=high)
          for n, high in _REPEATED.items()),
    ),
    'obelics': (
        Threshold('page has too few or many words', measures.count_words,
                  10, 2000),
        Threshold('page repeats characters', measures.repeated_characters,
                  high=0.1),
        Threshold('page repeats words', measures.repeated_words, high=0.2),
        Threshold('page has special characters', measures.special_characters,
                  high=0.275),
        Threshold('page lacks stop words', measures.stop_words, low=0.35,
                  english=True),
        Threshold('page lacks punctuation', measures.punctuation, low=0.03),
    ),
}
MOST_IMAGES = {'m3w': math.inf, 'obelics': 30}
_MOST_LINKED = 0.8  # share of a block's characters in links


def check_links(linked: float) -> None:
  """Raises Dropped if a block is hardly more than links: a menu."""
  if linked > _MOST_LINKED:
    raise Dropped('block is links', f'{linked:.3g}')


def for_language(
    thresholds: Iterable[Threshold], language: str
) -> tuple[Threshold, ...]:
  """Those that make sense for a language."""
  return tuple(t for t in thresholds if language == 'en' or not t.english)
