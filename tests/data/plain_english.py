# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The text of our own that the shipped vocabulary is trained on."""

import itertools
import pathlib
import re
from typing import Iterator

import numpy as np

# Doubled before -ing and -ed: "sit" -> "sitting", but "eat" -> "eating".
_DOUBLED = frozenset('run sit swim stop hit cut chop dig hug pet spin'.split())
_IRREGULAR_PLURAL = {
    'man': 'men', 'woman': 'women', 'child': 'children', 'person': 'people',
    'fisherman': 'fishermen', 'fireman': 'firemen', 'sheep': 'sheep',
    'fish': 'fish', 'deer': 'deer', 'mouse': 'mice', 'goose': 'geese',
    'wolf': 'wolves', 'calf': 'calves', 'knife': 'knives', 'leaf': 'leaves',
    'tomato': 'tomatoes', 'potato': 'potatoes', 'scarf': 'scarves',
}
_IRREGULAR_PAST = {
    'run': 'ran', 'stand': 'stood', 'sit': 'sat', 'lie': 'lay', 'eat': 'ate',
    'sleep': 'slept', 'drink': 'drank', 'speak': 'spoke', 'sing': 'sang',
    'swim': 'swam', 'ride': 'rode', 'drive': 'drove', 'fly': 'flew',
    'fall': 'fell', 'swing': 'swung', 'throw': 'threw', 'catch': 'caught',
    'hit': 'hit', 'hold': 'held', 'wear': 'wore', 'read': 'read',
    'write': 'wrote', 'draw': 'drew', 'cut': 'cut', 'build': 'built',
    'dig': 'dug', 'grow': 'grew', 'shine': 'shone', 'rise': 'rose',
    'hang': 'hung', 'kneel': 'knelt', 'bend': 'bent', 'lead': 'led',
    'feed': 'fed', 'bite': 'bit', 'hide': 'hid', 'leave': 'left',
    'blow': 'blew', 'spin': 'spun', 'show': 'showed',
}
_MULTIWORD = ('hot dog', 'french fries', 'parking lot', 'living room',
              'black and white', 'next to', 'in front of', 'on top of',
              'at the edge of', 'in the middle of', 'on the side of',
              'close to', 'far from')

_SHAPES = 'circle square triangle star cross pentagon heart ring'.split()
_SHAPE_COLORS = 'red green blue yellow purple orange cyan white'.split()
_TEXTURES = 'plain striped dotted'.split()
_DIRECTIONS = ('left', 'right', 'up', 'down')
_COUNTS = 'two three four five six seven eight nine ten'.split()

# Upper-case names are drawn from the word lists, lower-case words stand.
_TEMPLATES = (
    'A ADJECTIVE PERSON is VERBING PREPOSITION the PLACE.',
    'A PERSON in a COLOR CLOTHING VERBS PREPOSITION a ADJECTIVE THING.',
    'COUNT PERSONS are VERBING PREPOSITION a THING.',
    'COUNT ADJECTIVE ANIMALS VERB in the ADJECTIVE PLACE.',
    'A COLOR and COLOR THING VERBING PREPOSITION a PLACE',
    'A ADJECTIVE ANIMAL VERBING PREPOSITION a THING PREPOSITION the PLACE',
    'The ANIMAL is VERBING, and the PERSON is VERBING PREPOSITION it.',
    'a photo of a ADJECTIVE THING PREPOSITION a PLACE',
    'A close up of a COLOR THING with FOODS and FOOD.',
    'OTHER OTHER, OTHER and OTHER',
    'FUNCTION PERSON FUNCTION FUNCTION VERBING FUNCTION FUNCTION FUNCTION',
    'FUNCTION FUNCTION FUNCTION FUNCTION THING FUNCTION FUNCTION ANIMAL',
    'The PERSON VERBS and VERBS while a PERSON VERBS.',
    'A plate of FOOD and FOOD PREPOSITION a ADJECTIVE THING.',
    'Some FOODS, FOODS and a FOOD on the THING',
    'There is a ADJECTIVE THING PREPOSITION the PLACE, with a COLOR THING.',
    'There are many THINGS and PERSONS PREPOSITION the ADJECTIVE PLACE.',
    'An aerial view of the PLACE and the PLACE at night.',
    'The PERSON VERBED PREPOSITION the PLACE before the PERSON VERBED.',
    'PERSONS and their ANIMALS VERB PREPOSITION THINGS.',
    'the PERSON wearing CLOTHINGS has a ADJECTIVE THING in his hand',
    'her ADJECTIVE CLOTHING is COLOR, and his CLOTHING is COLOR',
    'Question: What color is the THING? Answer: COLOR',
    'Question: How many ANIMALS are there? Answer: NUMBER',
    'Question: What is the PERSON doing? Answer: VERBING',
    'Output: A ADJECTIVE ANIMAL VERBING PREPOSITION the PLACE.',
)
_SHAPE_TEMPLATES = (
    'a SIZE TEXTURE SHAPECOLOR SHAPE',
    'a SIZE TEXTURE SHAPECOLOR SHAPE and a SIZE TEXTURE SHAPECOLOR SHAPE',
    'a SHAPECOLOR SHAPE moves DIRECTION',
    'Question: What color is the SHAPE? Answer: SHAPECOLOR',
    'There are COUNT SHAPES in this picture, all of them SHAPECOLOR.',
    'The SHAPE moves DIRECTION past the SIZE SHAPECOLOR SHAPE.',
)


def load_words() -> dict[str, list[str]]:
  """The lists of plain_english.txt by name; a sentence is one line."""
  path, lists, name = pathlib.Path(__file__).with_suffix('.txt'), {}, ''
  for line in path.read_text(encoding='utf-8').splitlines():
    line = line.strip()
    if not line or line.startswith('#'):
      continue
    if line.startswith('['):
      name = line.strip('[]')
      lists[name] = []
    elif name == 'sentence':
      lists[name].append(line)
    else:
      lists[name].extend(_split(line))
  return lists


def _split(line: str) -> list[str]:
  for phrase in _MULTIWORD:
    line = line.replace(phrase, phrase.replace(' ', '_'))
  return [word.replace('_', ' ') for word in line.split()]


def plural(noun: str) -> str:
  """'box' -> 'boxes'."""
  if noun in _IRREGULAR_PLURAL:
    return _IRREGULAR_PLURAL[noun]
  return noun if noun.endswith('s') else third_person(noun)


def third_person(verb: str) -> str:
  """'carry' -> 'carries'."""
  if verb.endswith(('s', 'x', 'ch', 'sh')):
    return verb + 'es'
  if verb.endswith('y') and verb[-2] not in 'aeiou':
    return verb[:-1] + 'ies'
  return verb + 's'


def participle(verb: str) -> str:
  """'ride' -> 'riding'."""
  if verb == 'lie':
    return 'lying'
  if verb in _DOUBLED:
    return verb + verb[-1] + 'ing'
  return (verb[:-1] if verb.endswith('e') else verb) + 'ing'


def past(verb: str) -> str:
  """'ride' -> 'rode'."""
  if verb in _IRREGULAR_PAST:
    return _IRREGULAR_PAST[verb]
  if verb in _DOUBLED:
    return verb + verb[-1] + 'ed'
  return verb + ('d' if verb.endswith('e') else 'ed')


def _slots(words: dict[str, list[str]]) -> dict[str, list[str]]:
  """Word lists by the upper-case name they have in the templates."""
  slots = {name.upper(): list(words[name]) for name in words}
  for name in ('person', 'animal', 'thing', 'food', 'clothing'):
    slots[f'{name.upper()}S'] = [plural(noun) for noun in words[name]]
  slots |= {
      'VERBS': [third_person(v) for v in words['verb']],
      'VERBING': [participle(v) for v in words['verb']],
      'VERBED': [past(v) for v in words['verb']],
      'SHAPE': _SHAPES,
      'SHAPES': [plural(shape) for shape in _SHAPES],
      'SHAPECOLOR': _SHAPE_COLORS,
      'TEXTURE': _TEXTURES,
      'SIZE': ['small', 'large'],
      'DIRECTION': list(_DIRECTIONS),
      'COUNT': _COUNTS,
      'NUMBER': [str(n) for n in range(100)],
  }
  return slots


def _sentence(
    template: str, slots: dict[str, list[str]], rng: np.random.Generator
) -> str:
  text = re.sub(
      r'\b[A-Z]{4,}\b', lambda slot: str(rng.choice(slots[slot[0]])), template
  )
  text = re.sub(r'\b([Aa]) (?=[aeiou])', r'\1n ', text)
  return text if template[0].islower() else text[0].upper() + text[1:]


def sentences(count: int = 30_000, seed: int = 0) -> Iterator[str]:
  """Yields `count` descriptive sentences, the same on every machine.

  Of twelve, nine come from templates over everyday words, two are captions of
  coloured shapes and one is a whole sentence of the asset.
  """
  words = load_words()
  slots = _slots(words)
  rng = np.random.default_rng(seed)
  prose = itertools.cycle(words['sentence'])
  for i in range(count):
    if i % 12 == 0:
      yield next(prose)
    elif i % 12 < 3:
      yield _sentence(str(rng.choice(_SHAPE_TEMPLATES)), slots, rng)
    else:
      yield _sentence(str(rng.choice(_TEMPLATES)), slots, rng)
