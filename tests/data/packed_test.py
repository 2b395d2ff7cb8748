# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Documents with media, side by side in a row."""

import logging

import chex
import jax
import numpy as np
import PIL.Image
import pytest

from flamingo_jax.data import interleaved
from flamingo_jax.data import media
from flamingo_jax.data import packed
from flamingo_jax.data.documents import Document
from flamingo_jax.data.misfits import Misfits
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.models import variants
from flamingo_jax.tasks import own_data
from flamingo_jax.training.trained_model import FlamingoModel
from flamingo_jax.training.trainable import split_params
from tests import datasets
from tests.random_weights import ONE_BLOCK, random_weights

VOCABULARY = default_vocabulary()
TAG = VOCABULARY.image_tag
SIZE = {'frames': 1, 'image_size': 8, 'vocabulary': VOCABULARY, 'rng': None}


def picture(value):
  rng = np.random.default_rng(value)
  return media.image(rng.integers(0, 255, (8, 8, 3), np.uint8))


DOCUMENTS = [
    Document((picture(1), 'a red cat'), 'own:1', 1),
    Document(('Before: ', picture(2), 'a dog', picture(3), 'a fox'), 'own:2', 2),
    Document((picture(4), 'a very long caption ' * 20), 'own:3', 3),
    Document(('text alone',), 'own:4', 4),
]


def pack(docs, length=64, max_media=4, **options):
  return packed.pack(
      docs, length=length, max_media=max_media, count=4, **SIZE | options
  )


def test_a_row_drawn_out():
  row = pack([DOCUMENTS[0], DOCUMENTS[3], DOCUMENTS[1]], length=40)
  alone = [
      interleaved.make_example(doc, length=40, max_media=4, **SIZE)
      for doc in (DOCUMENTS[0], DOCUMENTS[3], DOCUMENTS[1])
  ]
  begin, first = 0, 0
  for segment, example in enumerate(alone, 1):
    # A document ends behind the prediction of <EOS>.
    (end,) = 1 + np.flatnonzero(example['targets'] == VOCABULARY.eos_id)
    here = slice(begin, begin + end)
    for key in ('tokens', 'targets', 'loss_weights'):
      np.testing.assert_array_equal(row[key][here], example[key][:end])
    assert set(row['segments'][here]) == {segment}
    seen = example['media_index'][:end]
    np.testing.assert_array_equal(
        row['media_index'][here], np.where(seen, seen + first, 0)
    )
    count = int(example['media_mask'].sum())
    np.testing.assert_array_equal(
        row['media'][first : first + count], example['media'][:count]
    )
    begin, first = begin + end, first + count
  assert not row['segments'][begin:].any() and not row['loss_weights'][begin:].any()
  assert row['media_mask'].sum() == first == 3
  assert row['example_id'].tolist() == [1, 4, 2, -1]


def test_what_has_no_room_is_left_out_whole():
  assert pack(DOCUMENTS)['example_id'].tolist() == [1, 2, -1, 4]  # tokens
  assert pack(DOCUMENTS[:2], max_media=2)['example_id'].tolist() == [
      1, -1, -1, -1
  ]
  # By itself a long one gives a window, as an example of its own does.
  row = pack(DOCUMENTS[2:3])
  alone = interleaved.make_example(DOCUMENTS[2], length=64, max_media=4, **SIZE)
  np.testing.assert_array_equal(row['tokens'], alone['tokens'])
  assert set(row['segments']) == {1}


@pytest.mark.parametrize('positions', ['relative', 'rotary', 'alibi', 'learned'])
def test_a_row_has_the_loss_and_gradient_of_its_documents(positions):
  config = variants.get('flamingo_small', ONE_BLOCK | {
      'decoder.layers': 2, 'decoder.layer.positions': positions, 'image_size': 8
  })
  model = FlamingoModel(config, VOCABULARY, None)
  params, frozen_params = split_params(random_weights(config, scale=0.1))
  docs = [DOCUMENTS[0], DOCUMENTS[1], DOCUMENTS[3]]
  alone = [
      interleaved.make_example(doc, length=40, max_media=2, **SIZE)
      for doc in docs
  ]
  batch = lambda examples: {
      key: np.stack([x[key] for x in examples])
      for key in examples[0] if key != 'example_id'
  }
  loss = jax.jit(jax.value_and_grad(model.summed_loss, has_aux=True))
  (total, weight), gradient = loss(
      params, frozen_params, batch(alone)
  )
  (packed_total, packed_weight), packed_gradient = loss(
      params, frozen_params, batch([pack(docs, length=80)])
  )
  assert packed_weight == weight
  np.testing.assert_allclose(packed_total, total, rtol=1e-5)
  chex.assert_trees_all_close(packed_gradient, gradient, rtol=1e-3, atol=1e-4)


def test_share_of_documents_without_room():
  lengths = {'tokens': 30, 'media': 3, 'documents': 3}

  def share(*needs):
    return Misfits(lengths, needs=[*needs]).share_without_room()

  assert share(*[(10, 1)] * 5) == share() == 0
  assert share((11, 1)) == share((10, 2)) / 2 == pytest.approx(1 / 3)
  assert share((100, 1)) == pytest.approx(2 / 3)  # each fills a row


def test_own_data_is_packed_where_lengths_have_documents(tmp_path, caplog):
  PIL.Image.new('RGB', (8, 8)).save(tmp_path / 'a.png')
  rows = [[{'image': 'a.png'}, {'text': f'number {i}'}] for i in range(6)]
  lengths = {'tokens': 60, 'media': 3, 'image_size': 8, 'documents': 3}
  name = own_data.mixture(
      str(datasets.write_jsonl(tmp_path / 'own.jsonl', *rows)), lengths
  )
  assert not caplog.records
  config = datasets.config(name, lengths, 1)
  ids = [b['own_data/example_id'][0, 0] for b in datasets.read(config, 2)]
  assert sorted(np.concatenate(ids)) == [1, 2, 3, 4, 5, 6]  # lines of the file
  with caplog.at_level(logging.WARNING, logger='absl'):
    own_data.mixture(str(tmp_path / 'own.jsonl'), lengths | {'media': 2})
  assert 'no room for' in caplog.text and 'DOCUMENTS' in caplog.text
