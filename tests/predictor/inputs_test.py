# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Prompts of every form, and the few shapes that they are padded to."""

import numpy as np
import pytest

import flamingo_jax as fj
from flamingo_jax.data.interleaved import tokenize_document
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.predictor import inputs

PICTURE = fj.image(np.zeros((2, 2, 3), np.uint8))


@pytest.mark.parametrize('prompts, words', [
    ('Output:', 'a prompt is a list of parts'),
    (PICTURE, 'a prompt is a list of parts'),
    ([], 'there is no prompt'),
    ([''], 'the prompt is empty'),
    ([[PICTURE], []], 'prompt 2 is empty'),
    (['a.jpg', 3], 'the prompt holds 3: '),
    ([PICTURE.data], r'the prompt holds array.*fj\.image'),
    ([[PICTURE], 'Output:'], "prompt 2 holds 'Output:'"),
    ([[PICTURE], [[PICTURE]]], r'prompt 2 holds \['),
], ids=lambda x: None if isinstance(x, list) else str(x)[:20])
def test_what_is_no_prompt_is_told(prompts, words):
  with pytest.raises(fj.UserError, match=f'(?s){words}'):
    inputs.as_list(prompts)


def test_one_prompt_or_a_list_of_them():
  assert inputs.as_list([PICTURE, '']) == ([[PICTURE]], True)
  assert inputs.as_list(([PICTURE], ('a', ''))) == ([[PICTURE], ['a']], False)


def test_buckets_are_few_and_hold_what_they_must():
  sizes = [inputs.bucket(n) for n in range(1, 1025)]
  assert all(n <= size < 2 * n for n, size in enumerate(sizes, 1))
  assert len(set(sizes)) == 11
  assert inputs.bucket(3, least=16) == 16


def documents(lengths):
  return [
      tokenize_document(['word ' * n], default_vocabulary(), close=False)
      for n in lengths
  ]


@pytest.mark.parametrize('devices', [1, 2, 8])
def test_batches_hold_every_row_once_among_rows_of_its_shape(devices):
  rows = documents([3, 20, 4] * 6 + [4])
  seen = []
  for batch, count in inputs.batches(rows, 4, devices):
    assert len(batch) % devices == 0 and len(batch) <= 4 * devices
    assert len({len(rows[i].tokens) > 16 for i in batch}) == 1
    seen += batch[:count]
  assert sorted(seen) == list(range(19))


def test_a_device_is_given_what_it_would_be_given_alone():
  rows = documents([3] * 11)
  alone = [batch for batch, _ in inputs.batches(rows, 4)]
  assert alone == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 8]]
  ((together, count),) = inputs.batches(rows, 4, 4)
  assert together == [*sum(alone, []), *alone[0]] and count == 11

