# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers that tell prose from the rest of the web (OBELICS §3.2, Gopher A)."""

import collections
from collections.abc import Callable, Iterable, Sequence
import importlib.resources
import functools
import re

_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_BULLETS = ('-', '*', '\u2022', '\u2023', '\u25cf', '\u00b7')
_ELLIPSES = ('...', '\u2026')
# Two of these are in any English text (Gopher A.1.1).
_ENGLISH = frozenset('the be to of and that have with'.split())


@functools.lru_cache(maxsize=1)  # of a page that is measured many times
def words(text: str) -> tuple[str, ...]:
  """In lower case."""
  return tuple(_WORD.findall(text.casefold()))


def count_words(text: str) -> int:
  """How many words."""
  return len(words(text))


def word_length(text: str) -> float:
  """Characters of a word, on average."""
  found = words(text)
  return sum(map(len, found)) / len(found) if found else 0.0


def hashes(text: str) -> float:
  """Hash signs for each word."""
  return text.count('#') / max(1, len(words(text)))


def ellipses(text: str) -> float:
  """Ellipses for each word."""
  return sum(map(text.count, _ELLIPSES)) / max(1, len(words(text)))


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
  return _filled(text.splitlines())


def _paragraphs(text: str) -> list[str]:
  return _filled(re.split(r'\n\s*\n', text))


def _filled(parts: Iterable[str]) -> list[str]:
  return [part.strip() for part in parts if part.strip()]


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
  return _repeated(_lines(text), lambda line: 1)


def repeated_paragraphs(text: str) -> float:
  """Share of the paragraphs that were there before."""
  return _repeated(_paragraphs(text), lambda paragraph: 1)


def characters_of_repeated_lines(text: str) -> float:
  """Share of the lines' characters in lines that were there before."""
  return _repeated(_lines(text), len)


def characters_of_repeated_paragraphs(text: str) -> float:
  """Share of the characters in paragraphs that were there before."""
  return _repeated(_paragraphs(text), len)


def _repeated(parts: Sequence[str], size: Callable[[str], int]) -> float:
  total = sum(map(size, parts))
  return (total - sum(map(size, set(parts)))) / max(1, total)


def most_frequent_run(text: str, length: int) -> float:
  """Share of the characters in the most frequent run of so many words.

  What occurs once is not repeated.
  """
  found = words(text)
  runs = _runs(found, length)
  if not runs:
    return 0.0
  most, count = collections.Counter(runs).most_common(1)[0]
  return _covered(found, length, [
      i for i, run in enumerate(runs) if count > 1 and run == most
  ])


def repeated_runs(text: str, length: int) -> float:
  """Share of the characters in runs of so many words that were there before."""
  found, seen, places = words(text), set(), []
  for i, run in enumerate(_runs(found, length)):
    if run in seen:
      places.append(i)
    seen.add(run)
  return _covered(found, length, places)


def _runs(found: Sequence[str], length: int) -> list[tuple[str, ...]]:
  return list(zip(*(found[i:] for i in range(length))))


def _covered(
    found: Sequence[str], length: int, places: Iterable[int]
) -> float:
  """Share of the words' characters in runs there, each counted once."""
  inside = {i for place in places for i in range(place, place + length)}
  return sum(len(found[i]) for i in inside) / max(1, sum(map(len, found)))


def repeated_words(text: str) -> float:
  """Share of runs of five words that occur more than once."""
  found = words(text)
  runs = collections.Counter(_runs(found, 5))
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
