# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Episodes of pictures and new words, to train on and to score."""

import numpy as np
import pytest
import seqio

from flamingo_jax.data import documents
from flamingo_jax.evaluation import tasks
from flamingo_jax.tasks import shapes
from flamingo_jax.tasks import shapes_bind
from flamingo_jax.tasks import shapes_episodes
from flamingo_jax.tasks import shapes_vocabulary
from flamingo_jax.tasks import shapes_world

LENGTHS = {'tokens': 96, 'media': 17, 'image_size': 16, 'targets': 3}


def episodes(control='', ways=2, shots=4, count=40):
  found = shapes_bind.ShapesEpisodes(ways, shots, 'validation', control)
  return [found[i] for i in range(count)]


def pixels(sample):
  return [medium.data.tobytes() for medium in sample.media]


def answers(episode):
  return [sample.answers[0] for sample in episode.supports]


def test_documents_pair_pictures_with_words():
  found = seqio.TaskRegistry.get('shapes_bind').source.documents('train')
  told = 0
  for parts in (found[i].parts for i in range(60)):
    assert isinstance(parts[-1], str) and not isinstance(parts[-2], str)
    words = {part.split()[-1][:-1] for part in parts if isinstance(part, str)}
    assert words <= set(shapes_episodes.SEEN_WORDS) and 1 <= len(words) <= 4
    told += isinstance(parts[0], str)
  assert 20 < told < 40


def test_half_of_the_documents_are_in_colours_without_a_name(monkeypatch):
  scenes = []

  def draw_image(scene):
    scenes.append(scene)
    return documents.image('not looked at')

  monkeypatch.setattr(shapes, 'draw_image', draw_image)
  unnamed = 0
  for seed in range(200):
    scenes.clear()
    parts = shapes_bind.draw_bind(
        np.random.default_rng(seed), shapes_world.SEEN
    )
    shown = [thing for scene in scenes for thing in scene.things]
    is_named = {thing.colour in shapes_world.COLOURS for thing in shown}
    assert len(is_named) == 1
    unnamed += is_named == {False}
    if is_named == {False} and isinstance(parts[0], str):  # told in words
      values = {*shapes_world.SHAPES, *shapes_world.TEXTURES}
      told = parts[0].split()[0]
      assert told in values or told in shapes_world.nouns()
  # All but those of colours that are told.
  assert 60 < unnamed < 110


@pytest.mark.parametrize('ways, shots', [(2, 0), (2, 4), (4, 16)])
def test_an_episode_has_its_shots_and_one_right_candidate(ways, shots):
  for episode in episodes(ways=ways, shots=shots):
    assert len(episode.supports) == shots
    assert len(set(episode.query.candidates)) == ways
    assert episode.query.answers[0] in episode.query.candidates
    assert set(answers(episode)) <= set(episode.query.candidates)


def test_a_control_changes_one_thing():
  for control in shapes_bind.CONTROLS[:4]:
    changed = 0
    for plain, other in zip(episodes(), episodes(control)):
      assert other.query.candidates == plain.query.candidates
      assert other.query.answers == plain.query.answers
      shown = [pixels(support) for support in other.supports]
      before = [pixels(support) for support in plain.supports]
      said = answers(other)
      if control == 'permuted':
        assert sorted(zip(said, shown)) == sorted(
            zip(answers(plain), before)
        )
        changed += shown != before
        continue
      if control == 'shuffled':
        assert shown == before
        changed += said != answers(plain)
        continue
      assert said == answers(plain)
      if control == 'text_only':
        assert not any(shown) and pixels(other.query) == pixels(plain.query)
      else:
        assert len({*map(tuple, shown), tuple(pixels(other.query))}) == 1
      changed += 1
    assert changed > 30


def test_held_out_words_are_held_out():
  for episode in episodes('held_out_words'):
    words = {candidate.strip(' .') for candidate in episode.query.candidates}
    assert words <= set(shapes_episodes.HELD_OUT_WORDS)


def test_examples_stand_side_by_side_and_fit():
  vocabulary = shapes_vocabulary.shapes_vocabulary()
  dataset = seqio.TaskRegistry.get('shapes_bind_4way_16shot').get_dataset(
      sequence_length=LENGTHS, split='validation', shuffle=False
  )
  rows = list(dataset.take(8).as_numpy_iterator())
  for four in (rows[:4], rows[4:]):
    assert len({row['prompt_pretokenized'] for row in four}) == 1
    assert len({row['targets_pretokenized'] for row in four}) == 4
    # <image> zu po . <EOC>, then <image>, after <BOS>.
    assert all(row['lengths'].tolist() == [16 * 5 + 2, 3] for row in four)
    assert all(row['tokens'].shape == (16 * 5 + 2,) for row in four)
    (right,) = [
        row for row in four
        if row['targets_pretokenized'] in row['answers'].tolist()
    ]
    assert vocabulary.decode(right['targets']) == (
        right['targets_pretokenized'].decode()
    )


def test_an_episode_with_other_candidates_is_refused():
  found = {'validation': lambda: episodes(ways=4, shots=2)}
  task = tasks.add_episode_task(
      'shapes_bind_wrong', found, candidates=2,
      vocabulary=shapes_vocabulary.shapes_vocabulary,
  )
  dataset = task.get_dataset(
      sequence_length=LENGTHS, split='validation', shuffle=False
  )
  with pytest.raises(Exception, match='has 4 candidates'):
    list(dataset.as_numpy_iterator())
