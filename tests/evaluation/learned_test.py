# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What is told of captions that a run has learned."""

import numpy as np
import pytest
import seqio

from flamingo_jax.data import media
from flamingo_jax.data.documents import Document
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.evaluation import learned

VOCABULARY = default_vocabulary()
PROMPT = [VOCABULARY.bos_id, *VOCABULARY.image_tag]
LENGTHS = {'tokens': 16, 'media': 2, 'frames': 1, 'image_size': 8}


def picture(value):
  return media.image(np.full((8, 8, 3), value, np.uint8))


DOCUMENTS = [
    Document((picture(10), 'a red cat'), 'own:1', 1),
    Document(('Before it. ', picture(20), ' a dog', ' and', picture(30), ' more'),
             'own:2', 2),
    Document(('text alone comes before', picture(40)), 'own:3', 3),
    Document((picture(50), 'a boat ' * 20), 'own:4', 4),
]


def read(name):
  task = seqio.get_mixture_or_task(name)
  dataset = task.get_dataset(
      LENGTHS | {'targets': 16}, 'train', shuffle=False, num_epochs=1
  )
  return list(dataset.as_numpy_iterator())


def test_captions_are_asked_for_with_their_picture():
  assert learned.add_tasks('mine', DOCUMENTS, LENGTHS, VOCABULARY) == (
      'mine_learned'
  )
  examples = read('mine_said')
  asked = [
      (example['media'][0, 0, 0, 0, 0], example['answers'][0].decode())
      for example in examples
  ]
  assert asked[:2] == [(10, 'a red cat'), (20, ' a dog and')]
  # As much of a long one as training shows at a time.
  assert asked[2][0] == 50 and ('a boat ' * 20).startswith(asked[2][1])
  assert len(VOCABULARY.encode(asked[2][1])) == LENGTHS['tokens'] - len(PROMPT) - 1
  for example in examples:
    assert example['tokens'][: example['lengths'][0]].tolist() == PROMPT


def test_each_is_scored_with_its_own_a_blank_and_anothers_picture():
  learned.add_tasks('mine', DOCUMENTS, LENGTHS, VOCABULARY)
  shown = [example['media'][0, 0, 0, 0, 0] for example in read('mine_given')]
  assert shown == [10, 128, 20, 20, 128, 50, 50, 128, 10]
  ids = [e['targets'][: e['lengths'][1]].tolist() for e in read('mine_given')]
  assert ids[0] == ids[1] == ids[2] == VOCABULARY.encode('a red cat')


def test_data_without_captions_has_no_tasks():
  assert learned.add_tasks('mine', DOCUMENTS[2:3], LENGTHS, VOCABULARY) == ''


def test_the_numbers():
  answers = [{'answers': ['a cat']}, {'answers': [' a dog']}]
  assert learned.count_exact(answers, ['a cat', 'a cat']) == {
      'exact': 0.5, 'different': 0.5
  }
  targets = [
      {'record': {'shown': shown, 'tokens': tokens}}
      for tokens in (4, 6) for shown in ('own', 'blank', 'shuffled')
  ]
  found = learned.compare_pictures(targets, np.array([-2.0, -6.0, -10.0, -3.0, -9.0, -20.0]))
  assert found == pytest.approx(
      {'nats_per_token': 0.5, 'blank_adds': 1.0, 'shuffled_adds': 2.5}
  )
  told = learned.sentence(found, 6)
  assert '1.000' in told and '2.500' in told and 'warning' not in told


@pytest.mark.parametrize('blank, shuffled', [(0.0, 2.0), (2.0, 0.0)])
def test_either_control_warns(blank, shuffled):
  told = learned.sentence(
      {'nats_per_token': 1.0, 'blank_adds': blank, 'shuffled_adds': shuffled}, 9
  )
  assert 'warning' in told and 'VISION_ENCODER' in told and '\n' not in told
