# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Handwritten digits in pairs and episodes, and which of them training sees."""

import numpy as np
from PIL import Image
import pytest
import seqio

from flamingo_jax.tasks import digits
from flamingo_jax.tasks import digits_bind


def shown(is_training, values=range(10)):
  """{bytes of a picture as tasks show it: its caption}, held back or not."""
  pictures, _ = digits.load()
  return {
      np.asarray(turn(Image.fromarray(pictures[place])).resize(
          (64, 64), Image.Resampling.BICUBIC
      ).convert('RGB')).tobytes(): f'a handwritten {digits.NAMES[digit]}{how}'
      for digit in values for place in digits.places(digit, is_training)
      for how, turn in (
          ('', lambda image: image),
          (' turned left', lambda image: image.rotate(90)),
          (' turned right', lambda image: image.rotate(-90)),
      )
  }


def documents(task, split):
  return seqio.TaskRegistry.get(task).source.documents(split)


def pictures(document):
  return [
      part.data.tobytes() for part in document.parts
      if not isinstance(part, str)
  ]


def test_training_shows_no_held_out_digit():
  seen = set()
  for digit in range(10):
    training, others = (set(digits.places(digit, b)) for b in (True, False))
    assert others and not training & others
    seen |= {digit} if training else set()
  assert seen == set(digits.SEEN)


@pytest.mark.parametrize('split', ['train', 'validation'])
def test_documents_show_the_pictures_of_their_split(split):
  of = shown(split == 'train', digits.SEEN)
  assert not set(of) & set(shown(split != 'train'))
  found = documents('digits_bind', split)
  seen = set()
  for i in range(20):
    words = {}
    assert len(found[i].parts) == 36
    for picture, word in zip(pictures(found[i]), found[i].parts[1::2]):
      seen.add(of[picture])
      assert words.setdefault(word, of[picture]) == of[picture]
    assert len(set(words.values())) == len(words)
  assert len(seen) > 20  # of 24
  found = documents('digits_pairs', split)
  for i in range(20):
    (picture,) = pictures(found[i])
    assert found[i].parts[1] == of[picture]


@pytest.mark.parametrize('control, values', [
    ('', digits.SEEN), ('held_out_digits', digits.HELD_OUT)
])
def test_episodes_show_two_digits_in_pictures_that_are_held_back(
    control, values
):
  of = shown(False, values)
  episodes, seen = digits_bind.DigitsEpisodes(4, control), set()
  for episode in (episodes[i] for i in range(30)):
    assert len(episode.supports) == 4
    assert len(set(episode.query.candidates)) == 2
    bound = {
        (of[sample.media[0].data.tobytes()], sample.answers[0])
        for sample in (*episode.supports, episode.query)
    }
    assert len(bound) == 2 == len({caption for caption, _ in bound})
    seen |= {caption for caption, _ in bound}
  assert seen == set(map(digits.caption, values))
  again = digits_bind.DigitsEpisodes(4, control)[29]
  assert again.query.media[0].data.tobytes() == (
      episode.query.media[0].data.tobytes()
  )


@pytest.mark.parametrize('task', [
    task.name for task in seqio.get_subtasks(
        seqio.MixtureRegistry.get('digits_bind_eval')
    )
])
def test_no_query_is_among_its_shots(task):
  episodes = documents(task, 'validation')
  assert len(episodes) == 1000
  for episode in (episodes[i] for i in range(100)):
    shown = [
        sample.media[0].data.tobytes()
        for sample in (*episode.supports, episode.query)
    ]
    assert len(set(shown)) == len(shown)


def test_no_document_shows_a_picture_twice():
  found = documents('digits_bind', 'train')
  for shown in (pictures(found[i]) for i in range(50)):
    assert len(set(shown)) == len(shown) == 18
