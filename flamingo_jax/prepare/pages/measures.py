# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers that tell prose from the rest of the web (OBELICS §3.2, Gopher A)."""

import collections
from collections.abc import Callable
import importlib.resources
import functools
import re

_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_BULLETS = ('-', '*', '\u2022', '\u2023', '\u25cf', '\u00b7')
_ELLIPSES = ('...', '\u2026')
# Two of these are in any English text (Gopher A.1.1).
_ENGLISH = frozenset('the be to of and that have with'.split())


def words(text: str) -> list[str]:
  """In lower case."""
  return _WORD.findall(text.casefold())


def count_words(text: str) -> int:
  """How many words."""
  return len(words(text))


def word_length(text: str) -> float:
  """Characters of a word, on average."""
  found = words(text)
  return sum(map(len, found)) / len(found) if found else 0.0


def symbols(text: str) -> float:
  """Hashes and ellipses for each word."""
  count = text.count('#') + sum(text.count(e) for e in _ELLIPSES)
  return count / max(1, len(words(text)))


def bullet_lines(text: str) -> float:
  """Share of the lines that begin with a bullet."""
  return _share_of_lines(text, lambda line: line.startswith(_BULLETS))


def ellipsis_lines(text: str) -> float:
  """Share of the lines that end with an ellipsis."""
  return _share_of_lines(text, lambda line: line.endswith(_ELLIPSES))


def _share_of_lines(text: str, is_one: Callable[[str], bool]) -> float:
  lines = _lines(text)
  return sum(map(is_one, lines)) / max(1, len(lines))


def _lines(text: str) -> list[str]:
  return [line.strip() for line in text.splitlines() if line.strip()]


def alphabetic_words(text: str) -> float:
  """Share of what stands between spaces that has a letter."""
  tokens = text.split()
  has_letter = sum(any(c.isalpha() for c in token) for token in tokens)
  return has_letter / max(1, len(tokens))


def english_words(text: str) -> int:
  """How many of the eight words that Gopher looks for."""
  return len(_ENGLISH & set(words(text)))


def repeated_lines(text: str) -> float:
  """Share of the lines that were there before."""
  lines = _lines(text)
  return 1 - len(set(lines)) / len(lines) if lines else 0.0


def repeated_pairs(text: str) -> float:
  """Share of the characters in the most frequent pair of words."""
  found = words(text)
  pairs = collections.Counter(zip(found, found[1:]))
  if not pairs:
    return 0.0
  pair, count = pairs.most_common(1)[0]
  # What occurs once is not repeated.
  size = sum(map(len, found))
  return count * sum(map(len, pair)) / size if count > 1 else 0.0


def repeated_words(text: str) -> float:
  """Share of runs of five words that occur more than once."""
  found = words(text)
  runs = collections.Counter(
      tuple(found[i : i + 5]) for i in range(len(found) - 4)
  )
  total = sum(runs.values())
  return sum(c for c in runs.values() if c > 1) / total if total else 0.0


def repeated_characters(text: str) -> float:
  """Share of the most frequent runs of ten characters (OBELICS, ROOTS)."""
  runs = collections.Counter(
      text[i : i + 10] for i in range(len(text) - 9)
  )
  if not runs:
    return 0.0
  # As many as the square root: a long text may say a thing twice.
  most = sorted(runs.values(), reverse=True)[: max(1, int(len(runs) ** 0.5))]
  repeated = sum(count for count in most if count > 1)
  return repeated / sum(runs.values())


def special_characters(text: str) -> float:
  """Share of what is neither letter nor space: digits, signs, emoji."""
  special = sum(not (c.isalpha() or c.isspace()) for c in text)
  return special / max(1, len(text))


def stop_words(text: str) -> float:
  """Share of the words that mean nothing by themselves."""
  found = words(text)
  return sum(word in _stop_words() for word in found) / max(1, len(found))


def punctuation(text: str) -> float:
  """Signs of punctuation for each word."""
  return sum(text.count(sign) for sign in '.,;:!?') / max(1, len(words(text)))


@functools.cache
def _stop_words() -> frozenset[str]:
  path = importlib.resources.files('flamingo_jax') / 'assets/stop_words.txt'
  lines = path.read_text(encoding='utf-8').splitlines()
  return frozenset(
      word for line in lines if not line.startswith('#')
      for word in line.split()
  )
