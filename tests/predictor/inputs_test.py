# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Prompts of every form, and the few shapes that they are padded to."""

import numpy as np
import pytest

import flamingo_jax as fj
from flamingo_jax.data.interleaved import TokenizedDocument
from flamingo_jax.predictor import inputs
from flamingo_jax.predictor import reading
from flamingo_jax.predictor import shapes

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


def test_shapes_are_few_and_hold_what_they_must():
  size = lambda n, media: shapes.row_shape(
      TokenizedDocument(
          tokens=np.zeros(n, np.int32), is_tag=np.zeros(n, bool),
          positions=np.arange(media), media=(PICTURE,) * media,
          next_media=False,
      ), 2048, 64,
  )
  found = {(n, media): size(n, media)
            for n in range(1, 2049, 7) for media in range(0, n // 8 + 1, 3)}
  for (n, media), (tokens, places) in found.items():
    assert n <= tokens <= 2048 and media <= places
    assert tokens <= max(16, 4 * n)
    assert places <= max(2 * media, tokens // 16, 4)
    assert tokens < 512 or tokens < 2 * n
  assert len(set(found.values())) <= 15
  assert len({shapes.answer_room(n) for n in range(1, 2048)}) == 4


@pytest.mark.parametrize('start, stop, rooms', [
    (0, 2, [16]), (0, 40, [64]),
    # Behind something else a few tokens, a picture and a word, are few.
    (38, 40, [4]), (35, 40, [16]), (10, 40, [64]), (118, 127, [4, 4, 4]),
])
def test_what_is_read_is_padded_to_few_lengths(start, stop, rooms):
  document = TokenizedDocument(
      tokens=np.zeros(stop, np.int32), is_tag=np.zeros(stop, bool),
      positions=np.arange(0), media=(), next_media=False,
  )
  found = list(reading.parts(document, start, 130, 2048, False, False))
  assert [part.room for part in found] == rooms
  assert found[-1].stop == stop


@pytest.mark.parametrize('rows, tokens, at_once', [
    (32, 8, 32), (32, 36, 16), (12, 300, 3), (32, 1024, 1), (32, 5000, 1),
])
def test_short_rows_are_scored_together(rows, tokens, at_once):
  assert shapes.rows_at_once(rows, tokens) == at_once


@pytest.mark.parametrize('devices', [1, 2, 8])
def test_batches_hold_every_row_once_among_rows_of_its_shape(devices):
  rows = [(64, 4), (128, 8), (64, 4)] * 6 + [(64, 4)]
  seen = []
  for batch, count in shapes.batches(rows, 4, devices):
    assert len(batch) % devices == 0 and len(batch) <= 4 * devices
    assert len({rows[i] for i in batch}) == 1
    seen += batch[:count]
  assert sorted(seen) == list(range(19))


def test_a_device_is_given_what_it_would_be_given_alone():
  rows = [(64, 4)] * 11
  alone = [batch for batch, _ in shapes.batches(rows, 4)]
  assert alone == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 8]]
  ((together, count),) = shapes.batches(rows, 4, 4)
  assert together == [*sum(alone, []), *alone[0]] and count == 11
