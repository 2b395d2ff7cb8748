# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The shapes world in words alone: what its language model is pretrained on.

Importing this module registers two tasks without media. Their documents are
mostly episodes in which a made-up word follows what it stands for, and the model
has to find out what that is:
  shapes_text_value: ' red zupo. blue kiva. red zupo.', the value alone;
  shapes_text: that, some or all attributes in any order, ' small dotted red ring
    zupo.', or the noun that tells all of them in one word, ' boug zupo.'; and
    captions, questions about them and what each noun stands for.
Text shows every pair of shape and colour and every digit: only pictures hold
some out, as with a language model that read more than Flamingo sees. No
document is longer than LENGTH tokens. What nothing in the text foretells, the
descriptions, hardly counts in the loss: it would drown what does.
"""

from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np

from flamingo_jax.data import text as text_tasks
from flamingo_jax.data.documents import Text
from flamingo_jax.tasks import digits
from flamingo_jax.tasks import shapes
from flamingo_jax.tasks import shapes_episodes
from flamingo_jax.tasks import shapes_vocabulary
from flamingo_jax.tasks import shapes_world

LENGTH = 96  # tokens of a document at most, <BOS> and two at its end included
PAIRS = shapes_world.SEEN + tuple(sorted(shapes_world.HELD_OUT))
SPLITS = {'train': (10_000_000, PAIRS), 'validation': (10_000, PAIRS)}
_DESCRIPTION = 0.03  # weight in the loss; of words and answers 1
_ORDER = ('size', 'texture', 'colour', 'shape')

TextParts = tuple[Text, ...]


def draw_value(rng: np.random.Generator, pairs: shapes.Pairs) -> TextParts:
  """An episode of three to six words, each right behind its value."""
  attribute = (*shapes_episodes.ATTRIBUTES, 'digit')[int(rng.integers(4))]
  ways = 3 if attribute == 'texture' else int(rng.integers(3, 7))
  if attribute != 'digit':
    return _episode(rng, pairs, ways, attribute, [attribute], 0.0)
  words = shapes_episodes.sample_words(rng, ways)
  names = rng.permutation(digits.NAMES)[:ways]
  labels = rng.integers(ways, size=(LENGTH - 3) // 4)
  return _join((names[k], words[k]) for k in labels)


def draw_part(rng: np.random.Generator, pairs: shapes.Pairs) -> TextParts:
  """An episode that tells about a third of the other attributes as well."""
  attribute = _draw_attribute(rng)
  ways = int(rng.integers(2, 4 if attribute == 'texture' else 7))
  told = _draw_told(rng, attribute, 0.35)
  return _episode(rng, pairs, ways, attribute, told, _draw_named(rng))


def draw_whole(rng: np.random.Generator, pairs: shapes.Pairs) -> TextParts:
  """An episode of few words that tells everything, or most of it."""
  attribute = _draw_attribute(rng)
  ways = 2
  if rng.random() > 0.45:
    ways = int(rng.integers(2, 4 if attribute == 'texture' else 5))
  share = 1.0 if rng.random() < 0.6 else 0.4
  told = _draw_told(rng, attribute, share)
  return _episode(rng, pairs, ways, attribute, told, _draw_named(rng))


def draw_nouns(rng: np.random.Generator, pairs: shapes.Pairs) -> TextParts:
  """A dictionary: ' goox a large plain orange ring.'"""
  parts = []
  for _ in range((LENGTH - 3) // 7):
    (thing,) = shapes_world.sample_scene(rng, 1, pairs).things
    parts += [
        Text(f' {thing.noun}', _DESCRIPTION),
        Text(f' {shapes_world.describe_thing(thing)}.', 1.0),
    ]
  return tuple(parts)


def draw_captions(
    rng: np.random.Generator, pairs: shapes.Pairs
) -> TextParts:
  """Captions of all that pictures show; in half of the documents questions.

  Half are of pages that lost their pictures: tags remain. A tag that text never
  had would be an embedding that training made only longer, to keep it away from
  all that is said, and a picture would have to drown it out.
  """
  asks = rng.random() < 0.5
  tag = '<image>' if rng.random() < 0.5 else ''
  title = shapes.TITLES[int(rng.integers(len(shapes.TITLES)))]
  parts = [Text(title, _DESCRIPTION)] if title else []
  size = lambda text: len(shapes_vocabulary.shapes_vocabulary().encode(text))
  room = LENGTH - 3 - size(title)
  while True:
    question = answer = ''
    kind = rng.random()
    if not asks and kind < 0.1:
      caption = f'{digits.caption(int(rng.integers(10)))}.'
    elif not asks and kind < 0.3:
      motion = shapes_world.sample_motion(rng, pairs)
      caption = f'{shapes_world.describe_motion(motion)}.'
    else:
      scene = shapes_world.sample_scene(rng, int(rng.integers(1, 4)), pairs)
      caption = f'{shapes_world.describe_scene(scene)}.'
      if asks:
        question, answer = f'{shapes.ask(rng, scene)}.'.split(' Answer:')
        question = f'{_space(rng)}{question} Answer:'
    caption = tag + _space(rng) + caption
    text = caption + question + answer
    room -= size(text)
    if room < 0:
      return tuple(parts)
    parts.append(Text(caption + question, _DESCRIPTION))
    if answer:
      parts.append(Text(answer, 1.0))


def _space(rng: np.random.Generator) -> str:
  """As often a space as none: texts that follow a picture begin either way."""
  return ' ' if rng.random() < 0.5 else ''


# Of the documents of shapes_text; the rest are whole episodes.
_SHARES = (
    (0.1, draw_captions), (0.06, draw_nouns), (0.12, draw_value),
    (0.32, draw_part),
)


def draw_text(rng: np.random.Generator, pairs: shapes.Pairs) -> TextParts:
  """All kinds."""
  kind = rng.random()
  for share, draw in _SHARES:
    if kind < share:
      return draw(rng, pairs)
    kind -= share
  return draw_whole(rng, pairs)


def _draw_attribute(rng: np.random.Generator) -> str:
  return tuple(shapes_episodes.ATTRIBUTES)[int(rng.integers(3))]


def _draw_told(
    rng: np.random.Generator, attribute: str, share: float
) -> list[str]:
  """The attribute that matters, and each other one with probability `share`."""
  coins = rng.random(4)
  return [
      name for name, coin in zip(_ORDER, coins)
      if name == attribute or coin < share
  ]


def _draw_named(rng: np.random.Generator) -> float:
  """How many sentences of an episode have a noun instead of a description."""
  return float(rng.choice([0.0, 0.5, 1.0], p=[0.3, 0.25, 0.45]))


def _episode(
    rng: np.random.Generator,
    pairs: shapes.Pairs,
    ways: int,
    attribute: str,
    told: Sequence[str],
    named: float,
) -> TextParts:
  """As many things and words as fit, in the text of one document.

  Attributes stand in another order in each sentence: a model that reads what is
  right before a word, and no more, then does better by every step back that it
  learns to take. In one order it would need both ends of a match at once.
  """
  # A noun or description, two syllables and a full stop each.
  is_named = rng.random(LENGTH // 4) < named
  costs = np.where(is_named, 1, len(told)) + 3
  is_named = is_named[np.cumsum(costs) <= LENGTH - 3]
  labels = rng.integers(ways, size=len(is_named)).tolist()
  episode = shapes_episodes.sample_episode(
      rng, ways, labels, attribute, pairs=pairs
  )
  descriptions = []
  for scene, has_noun in zip(episode.scenes, is_named):
    (thing,) = scene.things
    if has_noun:
      descriptions.append(thing.noun)
      continue
    names = [getattr(thing, told[i]) for i in rng.permutation(len(told))]
    descriptions.append(' '.join(names))
  return _join(zip(descriptions, episode.answers))


def _join(sentences: Iterable[tuple[str, str]]) -> tuple[Text, ...]:
  """Parts of ' description word.' for each sentence."""
  parts = []
  for description, word in sentences:
    parts += [Text(f' {description}', _DESCRIPTION), Text(f' {word}.', 1.0)]
  return tuple(parts)


def register() -> None:
  """Registers the tasks; done at import."""
  for task, draw in (
      ('shapes_text_value', draw_value),
      ('shapes_text', draw_text),
  ):
    text_tasks.add_task(
        task, shapes.splits_of(task, draw, SPLITS),
        vocabulary=shapes_vocabulary.shapes_vocabulary,
    )


register()
