# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The shapes world's evaluation tasks: prompts, answers, splits."""

import re

import numpy as np
import pytest
import seqio

from flamingo_jax.tasks import shapes
from flamingo_jax.tasks import shapes_eval
from flamingo_jax.tasks import shapes_vocabulary
from flamingo_jax.tasks import shapes_world

LENGTHS = {'tokens': 96, 'media': 5, 'image_size': 16, 'targets': 8}


def read(name, split='validation', count=8):
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
      assert shot.startswith('<image> Question: ')
      assert not shot.endswith('Answer:')
    assert query.startswith('<image> Question: ')
    assert query.endswith('? Answer:')
    # A word of the vocabulary with the space before it, as training has it.
    answer = example['targets_pretokenized'].decode()
    assert len(shapes_vocabulary.shapes_vocabulary().encode(f' {answer}')) == 1


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
      assert re.fullmatch(r' a (small|large) \w+ \w+ \w+\.', caption)


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


def test_a_clip_of_eight_frames_moves_one_of_four_ways():
  lengths = LENGTHS | {'frames': 8, 'image_size': 48}
  dataset = seqio.TaskRegistry.get('shapes_direction_4shot').get_dataset(
      sequence_length=lengths, split='validation', shuffle=False)
  rows = list(dataset.take(4).as_numpy_iterator())
  names = [row['targets_pretokenized'].decode() for row in rows]
  assert names == ['left', 'right', 'up', 'down']
  *shots, query = text(rows[0]).split('<EOC>')
  assert all(shot.split()[-1] in names for shot in shots) and len(shots) == 4
  assert re.fullmatch(r'<image> an? \w+ \w+ moves', query)
  # All frames are there, and the thing is elsewhere in each.
  assert rows[0]['media_mask'].sum() == 5 * 8
  clip = rows[0]['media'][4]
  assert all((clip[i] != clip[i + 1]).any() for i in range(7))


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


@pytest.mark.parametrize('shots', [0, 4])
def test_a_blank_query_keeps_question_and_shots(shots):
  plain, blank = (
      seqio.TaskRegistry.get(f'shapes_vqa_{shots}shot{control}').get_dataset(
          sequence_length=LENGTHS | {'image_size': 64}, split='validation',
          shuffle=False,
      ).take(6).as_numpy_iterator()
      for control in ('', '_blank')
  )
  for example, control in zip(plain, blank, strict=True):
    *before, query = example['media']
    *after, grey = control['media']
    if not shots:  # the query's is the only one
      (query, *before), (grey, *after) = example['media'], control['media']
    np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(grey[0], shapes.BLANK.data)
    assert (query != grey).any()
    assert text(example) == text(control)
    assert example['answers'].tolist() == control['answers'].tolist()


def test_held_out_captions_have_shots_that_training_shows():
  held_out = {f'{colour} {shape}' for shape, colour in shapes_world.HELD_OUT}
  pair = lambda caption: ' '.join(caption.rstrip('.').split()[-2:])
  for example in read('shapes_caption_4shot_held_out_pairs', count=24):
    *shots, _ = text(example).split('<EOC>')
    assert pair(example['targets_pretokenized'].decode()) in held_out
    assert len(shots) == 4 and not held_out & set(map(pair, shots))
  for example in read('shapes_caption_4shot', count=24):
    assert pair(example['targets_pretokenized'].decode()) not in held_out


def test_every_prompt_of_the_configuration_fits():
  for name, count in (('shapes_vqa_4shot', 128), ('shapes_colour_4shot', 256)):
    for example in read(name, 'validation', count):
      assert example['lengths'][0] <= LENGTHS['tokens']
