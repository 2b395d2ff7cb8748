# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Examples of evaluation tasks, as models and metrics get them."""

import numpy as np
import pytest
import seqio

from flamingo_jax.data import interleaved, pipeline
from flamingo_jax.data.media import load_frames
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import prompts, tasks
from flamingo_jax.evaluation.examples import MODEL_FEATURES, FeatureConverter
from tests.evaluation.conftest import (
    EPISODE,
    LENGTHS,
    NAMES,
    QUERIES,
    SUPPORTS,
    add_tasks,
)


@pytest.fixture(scope='module', autouse=True)
def registered():
  add_tasks()


def read(name, lengths=LENGTHS):
  dataset = seqio.TaskRegistry.get(name).get_dataset(
      sequence_length=lengths, split='test', shuffle=False
  )
  with pipeline.reading_errors():
    return list(dataset.as_numpy_iterator())


def test_an_open_ended_example_is_its_prompt():
  examples = read('open_2shot')
  assert len(examples) == len(QUERIES)
  for query, example in zip(QUERIES, examples):
    shots = prompts.make_episode(query, SUPPORTS, 2, 0, True).supports
    parts = prompts.join(shots, query)
    document = interleaved.tokenize_document(
        parts, default_vocabulary(), close=False
    )
    length, answer = example['lengths']
    assert answer == 0 and length == len(document.tokens)
    np.testing.assert_array_equal(example['tokens'][:length], document.tokens)
    np.testing.assert_array_equal(
        example['media_index'][:length], document.media_index
    )
    assert not example['media_index'][length:].any()
    for pixels, medium in zip(example['media'], document.media, strict=True):
      np.testing.assert_array_equal(pixels, load_frames(medium, 1, 16, None)[0])
    assert example['media_mask'].all()
    assert example['targets'].shape == (LENGTHS['targets'],)
    assert example['source_pretokenized'] == query.source.encode()
    assert [a.decode() for a in example['answers']] == list(query.answers)
    assert [a.decode() for a in example['labels']] == [
        shot.answers[0] for shot in shots
    ]


def test_zero_shots_have_one_medium():
  for example in read('open_0shot'):
    assert example['media_mask'][:, 0].tolist() == [True, False, False]
    assert not example['media'][1:].any()
    assert example['prompt_pretokenized'].count(b'<EOC>') == 2
    assert example['prompt_pretokenized'].count(b'<image>') == 1
    assert not len(example['labels'])  # texts are no shots


def test_a_close_ended_query_has_an_example_per_candidate():
  examples = read('close_2')
  assert len(examples) == len(QUERIES) * len(NAMES)
  for i, example in enumerate(examples):
    query, name = QUERIES[i // len(NAMES)], NAMES[i % len(NAMES)]
    ids = default_vocabulary().encode(f' {name}')
    assert example['lengths'][1] == len(ids)
    assert example['targets'][: len(ids)].tolist() == ids
    assert example['source_pretokenized'] == query.source.encode()
    target = seqio.TaskRegistry.get('close_2').postprocess_fn(
        name, example=example, is_target=True
    )
    assert target['is_correct'] == (name == query.answers[0])
    assert target['candidates'] == len(NAMES)


def test_tasks_of_a_mixture_share_what_seqio_wants_shared():
  first, *others = (
      seqio.TaskRegistry.get(name).output_features
      for name in ('open_2shot', 'open_0shot', 'close_2')
  )
  assert all(features == first for features in others)


def test_the_model_gets_its_features_and_no_more():
  converter = FeatureConverter(pack=False)
  dataset = seqio.TaskRegistry.get('open_2shot').get_dataset(
      sequence_length=LENGTHS, split='test', shuffle=False
  )
  assert dataset.options().autotune.enabled is False  # as in data/pipeline_test
  spec = converter(dataset, LENGTHS).element_spec
  assert {k: (x.dtype, len(x.shape)) for k, x in spec.items()} == (
      MODEL_FEATURES
  )
  assert all(x.shape.is_fully_defined() for x in spec.values())


@pytest.mark.parametrize('name, lengths, sentence', [
    ('open_2shot', {'tokens': 20}, "query:0: .* and an example has room for 20: "
     "raise 'tokens' .* the last image or video and its text would fit"),
    ('open_2shot', {'media': 2}, "has 3 media .* room for 2: raise 'media' .* "
     'the last 2 images or videos'),
    ('close_2', {'targets': 1},
     "candidate '.*' has . tokens .* raise 'targets'"),
    ('open_2shot', {'targets': 0}, "wrong at 'targets'"),
    ('open_2shot', {'beams': 3}, "wrong at 'beams'"),
])
def test_nothing_is_cut(name, lengths, sentence):
  with pytest.raises(UserError, match=sentence):
    read(name, lengths=LENGTHS | lengths)


def test_limits_leave_out_padding_alone():
  whole, short = (read(name) for name in ('episodes', 'short_episodes'))
  assert len(whole) == len(short) == 3 * len(NAMES)
  for example, other in zip(whole, short):
    length, places = len(other['tokens']), len(other['media'])
    assert (length, places) == (EPISODE['tokens'], EPISODE['media'])
    for key, value in example.items():
      if key in ('tokens', 'media_index', 'media', 'media_mask'):
        end = places if key.startswith('media') and value.ndim > 1 else length
        assert not value[end:].any() and len(value) > end
        value = value[:end]
      np.testing.assert_array_equal(other[key], value)
  # They are no lengths of their own: a mixture's smaller ones hold.
  with pytest.raises(UserError, match="room for 1: raise 'media'"):
    read('short_episodes', lengths=LENGTHS | {'media': 1})


def test_candidates_are_different_and_hold_the_answer():
  queries, supports = {'test': lambda: QUERIES}, lambda: SUPPORTS
  for candidates in ((), ('cat',), ('cat', 'dog', 'cat')):
    with pytest.raises(UserError, match="'close_x' must be two or more"):
      tasks.add_close_ended_task(
          'close_x', queries, supports, candidates, shots=1
      )
  tasks.add_close_ended_task(
      'close_x', queries, supports, ('dog', 'fish'), shots=1
  )
  with pytest.raises(UserError, match="query:0: its answer 'cat' is none of"):
    read('close_x')
