# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The shapes world's evaluation tasks: prompts, answers, splits."""

import re

import numpy as np
import pytest
import seqio

from flamingo_jax.data.vocabulary import default_vocabulary
from tasks import shapes_eval
from tasks import shapes_world

LENGTHS = {'tokens': 160, 'media': 5, 'image_size': 16, 'targets': 8}


def read(name, split='held_out', count=8):
  dataset = seqio.TaskRegistry.get(name).get_dataset(
      sequence_length=LENGTHS, split=split, shuffle=False
  )
  return list(dataset.take(count).as_numpy_iterator())


def text(example):
  return example['prompt_pretokenized'].decode()


def test_shots_are_questions_with_answers():
  for example in read('shapes_vqa_4shot'):
    *shots, query = text(example).split('<EOC>')
    assert len(shots) == 4 and example['media_mask'].sum() == 5
    for shot in shots:
      assert shot.startswith('<image>Question: ')
      assert not shot.endswith('Answer:')
    assert query.startswith('<image>Question: ')
    assert query.endswith('? Answer:')
    assert default_vocabulary().encode(example['targets_pretokenized'].decode())


def test_no_shots_are_two_texts():
  for example in read('shapes_vqa_0shot'):
    first, second, query = text(example).split('<EOC>')
    assert '<image>' not in first + second and query.startswith('<image>')
    assert example['media_mask'].sum() == 1


def test_captions_follow_their_pictures_at_once():
  for example in read('shapes_caption_0shot'):
    *shots, query = text(example).split('<EOC>')
    assert query == '<image>' and len(shots) == 2
    for caption in (*shots, example['targets_pretokenized'].decode()):
      assert re.fullmatch(r'a (small|large) \w+ \w+ \w+', caption)


def test_every_colour_is_a_candidate_and_one_is_right():
  examples = read('shapes_colour_4shot', count=24)
  task = seqio.TaskRegistry.get('shapes_colour_4shot')
  for rows in np.reshape(examples, (3, 8)):
    names = [row['targets_pretokenized'].decode() for row in rows]
    assert names == list(shapes_world.COLOURS)
    assert len({text(row) for row in rows}) == 1
    right = [
        task.postprocess_fn(name, example=row, is_target=True)['is_correct']
        for name, row in zip(names, rows)
    ]
    assert sum(right) == 1


def test_held_out_queries_show_pairs_that_training_never_shows():
  draw = shapes_eval.draw_colour
  held_out, seen = (
      shapes_eval.ShapesSamples('shapes_colour', split, 20, draw)
      for split in ('held_out', 'train')
  )

  def pairs(samples):
    return {
        (sample.text.split()[5].rstrip('?'), sample.answers[0])
        for sample in (samples[i] for i in range(20))
    }

  assert pairs(held_out) <= shapes_world.HELD_OUT
  assert not pairs(seen) & shapes_world.HELD_OUT
  np.testing.assert_array_equal(
      held_out[3].media[0].data, held_out[3].media[0].data
  )


@pytest.mark.parametrize('split', ['validation', 'held_out'])
def test_the_mixture_has_the_four_tasks(split):
  names = {
      task.name
      for task in seqio.get_subtasks(seqio.MixtureRegistry.get('shapes_eval'))
      if split in task.splits
  }
  assert names == {
      'shapes_vqa_4shot', 'shapes_vqa_0shot', 'shapes_caption_0shot',
      'shapes_colour_4shot',
  }


def test_every_prompt_of_the_configuration_fits():
  for name, count in (('shapes_vqa_4shot', 128), ('shapes_colour_4shot', 256)):
    for example in read(name, 'validation', count):
      assert example['lengths'][0] <= LENGTHS['tokens']
