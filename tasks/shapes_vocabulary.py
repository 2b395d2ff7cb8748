# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The vocabulary of the shapes world: one piece per word and per syllable.

The file is that of the shipped flamingo_tiny, and was written by
  python -m flamingo_jax.tasks.shapes_vocabulary PATH
Made-up words are two pieces, so that words which training held out are made of
syllables that it did see. Any other text is spelt out, in letters or bytes.
"""

import argparse
import functools
import itertools
import pathlib
import re

from flamingo_jax import shipped
from flamingo_jax.data import vocabulary as vocabulary_lib
from flamingo_jax.tasks import digits
from flamingo_jax.tasks import shapes_episodes
from flamingo_jax.tasks import shapes_world

# What the tasks say besides the names of things.
_PHRASES = (
    ' Some pictures of shapes.', ' Look at these shapes.',
    ' Question: How many shapes are there? Answer: one two three four',
    ' Question: What colour is the thing? Is the thing small or large?',
    ' Question: What does the thing look like?',
    ' a thing and a thing.', ' an orange thing moves',
    ' a handwritten digit', 'Question: an orange thing', ' Answer: yes no',
    ' A picture',
)
_NAMES = (
    *shapes_world.SHAPES, *shapes_world.COLOURS, *shapes_world.SIZES,
    *shapes_world.TEXTURES, *shapes_world.DIRECTIONS, *digits.NAMES,
    *shapes_world.nouns(),
)


def symbols() -> list[str]:
  """The pieces that are whole words, most with the space before them."""
  # Single letters are pieces anyhow.
  words = [re.findall(' ?[A-Za-z:]{2,}| [a-z]', text) for text in _PHRASES]
  return list(dict.fromkeys([
      '<image>', ' ',
      *itertools.chain.from_iterable(words),
      *(f' {name}' for name in _NAMES),
      *(f' {syllable}' for syllable in shapes_episodes.FIRST_SYLLABLES),
      *shapes_episodes.SECOND_SYLLABLES,
  ]))


@functools.cache
def shapes_vocabulary() -> vocabulary_lib.Vocabulary:
  """The vocabulary that comes with flamingo_tiny."""
  folder = pathlib.Path(shipped.shipped_weights('flamingo_tiny'))
  return vocabulary_lib.Vocabulary(folder / 'vocabulary.model')


def main() -> None:
  """Writes the vocabulary."""
  parser = argparse.ArgumentParser(description=main.__doc__)
  parser.add_argument('path', help='where the .model file goes')
  pieces = symbols()
  # 256 bytes, the printable characters, the four ids of <s> and its like.
  vocabulary = vocabulary_lib.train_vocabulary(
      _PHRASES, parser.parse_args().path, len(pieces) + 400, pieces
  )
  print(f'{vocabulary.path}: {vocabulary.size} entries, {vocabulary.sha256}')


if __name__ == '__main__':
  main()
