# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The mixtures of flamingo_tiny, and that its language model knows the words."""

import pathlib
import re

import numpy as np
import pytest
import seqio

from flamingo_jax.data import interleaved
from flamingo_jax.data import pipeline
from flamingo_jax.tasks import shapes_bind
from flamingo_jax.tasks import shapes_text
from flamingo_jax.tasks import shapes_vocabulary
from flamingo_jax.tasks import tiny
from tests import datasets

assert shapes_text and tiny  # they register
MIXTURES = pathlib.Path(__file__).parents[2] / 'configs' / 'mixtures'


def task_names(mixture):
  return [task.name for task in pipeline.mixture_tasks(mixture)]


def configured(mixture):
  """The TASK_FEATURE_LENGTHS of a mixture's gin file."""
  text = (MIXTURES / f'{mixture}.gin').read_text()
  values = {}
  exec(re.sub('^from .*$|%', '', text, flags=re.MULTILINE), values)
  return values['TASK_FEATURE_LENGTHS']


def test_episodes_have_the_weight_of_the_papers_m3w():
  assert pipeline.mixture_weights('tiny_pretrain') == {
      'shapes_bind': 1.0, 'digits_bind': 0.2, 'shapes_m3w': 0.2,
      'shapes_pairs': 0.2, 'shapes_video': 0.03,
  }
  assert pipeline.mixture_weights('tiny_captions') == {
      'shapes_pairs': 1.0, 'shapes_unnamed': 0.5, 'digits_pairs': 0.1
  }


def test_a_batch_has_a_row_of_each_dataset():
  lengths = {
      task: length | {'image_size': 16}
      for task, length in configured('tiny_pretrain').items()
  } | {'shapes_pairs': {'tokens': 32, 'media': 1, 'image_size': 64}}
  sizes = dict.fromkeys(task_names('tiny_pretrain'), 2) | {'shapes_pairs': 4}
  (batch,) = datasets.read(datasets.config('tiny_pretrain', lengths, sizes), 1)
  assert {
      key.split('/')[0]: x.shape for key, x in batch.items()
      if key.endswith('/media')
  } == {
      'shapes_bind': (2, 1, 18, 1, 16, 16, 3),
      'digits_bind': (2, 1, 18, 1, 16, 16, 3),
      'shapes_m3w': (2, 1, 5, 1, 16, 16, 3),
      'shapes_pairs': (2, 2, 1, 1, 64, 64, 3),
      'shapes_video': (2, 1, 1, 8, 16, 16, 3),
  }
  assert batch['shapes_video/media_mask'].all()
  found = seqio.TaskRegistry.get('shapes_pairs').source.documents('train')
  picture, _ = found[int(batch['shapes_pairs/example_id'][1, 0])].parts
  np.testing.assert_array_equal(
      batch['shapes_pairs/media'][1, 0, 0, 0], picture.data
  )


def test_evaluation_has_all_shots_and_controls():
  ways = [f'{ways}way_{n}shot' for ways in (2, 4) for n in shapes_bind.SHOTS]
  controls = [
      f'2way_{n}shot_{control}'
      for n in shapes_bind.SHOTS for control in shapes_bind.CONTROLS
  ]
  digit = [f'digits_bind_2way_{n}shot' for n in shapes_bind.SHOTS]
  assert set(task_names('tiny_eval')) == {
      *(f'shapes_bind_{name}' for name in ways + controls),
      *digit, *(f'{name}_held_out_digits' for name in digit),
      'shapes_vqa_0shot', 'shapes_vqa_4shot', 'shapes_vqa_0shot_blank',
      'shapes_vqa_4shot_blank', 'shapes_caption_0shot',
      'shapes_caption_4shot', 'shapes_caption_0shot_held_out_pairs',
      'shapes_caption_4shot_held_out_pairs', 'shapes_colour_4shot',
  }


def test_every_evaluation_fits_the_lengths_of_its_configuration():
  lengths = configured('tiny_eval') | {'image_size': 8}
  for task in pipeline.mixture_tasks('tiny_eval'):
    if re.search('_bind_.*_[01248]shot', task.name):  # shorter than 16
      continue
    assert list(task.splits) == ['validation']
    (example,) = task.get_dataset(
        sequence_length=lengths, split='validation', shuffle=False
    ).take(1).as_numpy_iterator()
    assert example['media'].shape[1:] == (1, 8, 8, 3)
    # Episodes are as long as their shots need.
    if 'bind' in task.name and 'text_only' not in task.name:
      assert example['lengths'][0] == len(example['tokens']), task.name
      assert example['media_mask'].all(), task.name


@pytest.fixture(scope='module')
def words_of_the_text():
  """The pieces in documents that the language model is trained on."""
  found = seqio.TaskRegistry.get('shapes_text').source.documents('train')
  vocabulary = shapes_vocabulary.shapes_vocabulary()
  return {
      piece
      for i in range(1000)
      for piece in vocabulary.encode(
          ''.join(part.text for part in found[i].parts)
      )
  }


@pytest.mark.parametrize(
    'task', ['shapes_bind', 'digits_bind', 'shapes_m3w', 'shapes_pairs',
             'shapes_video']
)
def test_the_language_model_has_read_every_word_that_flamingo_meets(
    task, words_of_the_text
):
  # Its table is frozen: a piece that no text had stays as it was drawn.
  vocabulary = shapes_vocabulary.shapes_vocabulary()
  found = seqio.TaskRegistry.get(task).source.documents('train')
  met = {
      piece
      for i in range(60 if 'bind' in task else 200)
      for piece in interleaved.tokenize_document(
          found[i].parts, vocabulary
      ).tokens.tolist()
  }
  tags = {
      vocabulary.bos_id, vocabulary.eos_id, vocabulary.eoc_id,
      *vocabulary.image_tag,
  }
  assert len(met - tags) >= 10
  new = met - tags - words_of_the_text
  assert not new, vocabulary.pieces(sorted(new))
