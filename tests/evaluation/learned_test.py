# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What is told of captions that a run has learned."""

import numpy as np
import pytest
import seqio

from flamingo_jax.data import media
from flamingo_jax.data import pipeline
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
      LENGTHS | {'targets': 16}, learned.SPLIT, shuffle=False, num_epochs=1
  )
  return list(dataset.as_numpy_iterator())


def test_captions_are_asked_for_with_their_picture():
  assert learned.add_tasks('mine', DOCUMENTS, (), LENGTHS, VOCABULARY) == (
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


def test_captions_of_one_length_stand_side_by_side():
  captions = ['a b c d e f', 'a', 'a b c', 'b', 'b c d e f g']
  documents = [
      Document((picture(i), caption), f'own:{i}', i)
      for i, caption in enumerate(captions)
  ]
  learned.add_tasks('mine', documents, (), LENGTHS, VOCABULARY)
  of_a_picture = 2 + 4  # controls: those of four others
  for name, count in (('mine_said', 1), ('mine_given', of_a_picture)):
    found = [e['answers'][0].decode() for e in read(name)]
    assert found[::count] == ['a', 'b', 'a b c', 'a b c d e f', 'b c d e f g']


def test_each_is_scored_with_its_own_a_blank_and_anothers_picture():
  learned.add_tasks('mine', DOCUMENTS, (), LENGTHS, VOCABULARY)
  examples = read('mine_given')
  shown = [example['media'][0, 0, 0, 0, 0] for example in examples]
  for first, own, others in ((0, 10, {20, 50}), (4, 20, {10, 50}), (8, 50, {10, 20})):
    assert shown[first : first + 2] == [own, 128]
    assert set(shown[first + 2 : first + 4]) == others
  ids = [e['targets'][: e['lengths'][1]].tolist() for e in examples]
  assert ids[0] == ids[1] == ids[2] == ids[3] == VOCABULARY.encode('a red cat')


def test_others_are_drawn_from_all_and_never_the_same_caption():
  documents = [
      Document((picture(i), f'picture {i // 2}'), f'own:{i}', i)
      for i in range(20)
  ]
  learned.add_tasks('mine', documents, (), LENGTHS, VOCABULARY)
  shown = [example['media'][0, 0, 0, 0, 0] for example in read('mine_given')]
  per_caption = [shown[start : start + 6] for start in range(0, 120, 6)]
  distances = set()
  for own, blank, *others in per_caption:
    assert blank == 128 and len(set(others)) == 4
    assert own // 2 not in {other // 2 for other in others}
    distances |= {abs(int(own) - int(other)) for other in others}
  assert max(distances) > 10


def test_data_without_captions_has_no_tasks():
  assert learned.add_tasks('mine', DOCUMENTS[2:3], (), LENGTHS, VOCABULARY) == ''


def test_the_numbers():
  answers = [{'answers': ['a cat']}, {'answers': [' a dog']}]
  assert learned.count_exact(answers, ['a cat', 'a cat']) == {
      'exact': 0.5, 'different': 0.5
  }
  targets = [
      {'record': {'shown': shown, 'tokens': tokens, 'caption': caption}}
      for caption, tokens in enumerate((4, 6))
      for shown in ('own', 'blank', 'shuffled', 'shuffled')
  ]
  # Of several others the mean counts: 10 and 20 nats.
  scores = np.array([-2.0, -6.0, -9.0, -11.0, -3.0, -9.0, -20.0, -20.0])
  found = learned.compare_pictures(targets, scores)
  # A ratio's error: deviations 4 - 1.0 * 4 = 0 and 6 - 1.0 * 6 = 0 from the
  # gain over blank, 8 - 10 = -2 and 17 - 15 = 2 from that over another's; t of one
  # degree of freedom is 12.706.
  assert found == pytest.approx({
      'nats_per_token': 0.5, 'blank_adds': 1.0, 'blank_adds_within': 0.0,
      'shuffled_adds': 2.5, 'shuffled_adds_within': 12.7062 * 4 / 10,
  }, rel=1e-4)
  told = learned.sentence(found, 6)
  assert '1.000' in told and '2.500 ± 5.082' in told and 'warning' not in told


def test_intervals_cover_what_they_claim():
  """Of gains drawn around 0.5 nats per token, 95 % of intervals have 0.5."""
  rng = np.random.default_rng(0)
  covered = 0
  for _ in range(400):
    tokens = rng.integers(2, 30, 40)
    gains = 0.5 * tokens + rng.normal(size=40) * np.sqrt(tokens)
    targets, scores = [], []
    for caption, (count, gain) in enumerate(zip(tokens.tolist(), gains)):
      for shown, score in (('own', -2.0 * count), ('blank', -2.0 * count - gain)):
        targets.append({
            'record': {'shown': shown, 'tokens': count, 'caption': caption}
        })
        scores.append(score)
    found = learned.compare_pictures(targets, scores)
    covered += abs(found['blank_adds'] - 0.5) < found['blank_adds_within']
  assert 0.92 < covered / 400 < 0.98


def test_validation_captions_are_tasks_of_their_own():
  name = learned.add_tasks('mine', DOCUMENTS[:1], DOCUMENTS[1:], LENGTHS, VOCABULARY)
  assert {task.name for task in pipeline.mixture_tasks(name)} == {
      'mine_said', 'mine_given', 'mine_validation_said', 'mine_validation_given'
  }
  assert [e['answers'][0].decode() for e in read('mine_validation_said')][0] == (
      ' a dog and'
  )
  assert learned.name_given('mine') == 'mine_validation_given'


@pytest.mark.parametrize('blank, shuffled', [(0.0, 2.0), (2.0, 0.0)])
def test_either_control_warns(blank, shuffled):
  told = learned.sentence(
      {'nats_per_token': 1.0, 'blank_adds': blank, 'shuffled_adds': shuffled}, 9
  )
  assert 'warning' in told and 'VISION_ENCODER' in told and '\n' not in told


def test_features_are_called_what_they_are():
  values = {'nats_per_token': 1.0, 'blank_adds': 0.0}
  told = learned.sentence(values, 9, kind='features')
  assert 'own features' in told and 'given zeros' in told and 'ENCODER,' in told
  assert 'picture' not in told
