# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Answers that are written side by side are those that are written alone."""

import numpy as np
import pytest

import flamingo_jax as fj

RNG = np.random.default_rng(6)
PICTURES = [
    fj.image(RNG.integers(0, 256, (20, 30, 3), np.uint8)) for _ in range(3)
]
PROMPTS = [
    [PICTURES[0], 'Output:'], ['a cat'], [PICTURES[1], 'the', PICTURES[2], 'is'],
    [PICTURES[2], 'Output: what'],
]


def test_rows_begin_and_end_when_they_like(model):
  prompts = PROMPTS[:3]
  wanted = [20, 3, 11]
  expected = [
      model.generate(prompt, max_new_tokens=n)
      for prompt, n in zip(prompts, wanted)
  ]
  near, texts, rows, ends = None, [''] * 3, {}, {}
  slots = None
  waiting = list(range(3))
  while waiting or rows:
    # One more prompt at each turn, whatever the others do.
    if waiting and (slots is None or slots.free):
      number = waiting.pop(0)
      near = model.read(prompts[number], max_new_tokens=20, near=near)
      slots = slots or model.slots(near, count=2)
      rows[slots.put(near, max_new_tokens=wanted[number])] = number, []
    for row, piece in slots.advance().items():
      number, tokens = rows[row]
      tokens += piece.tokens.tolist()
      if piece.end:
        texts[number] = model.vocabulary.decode(tokens).strip()
        ends[number] = piece.end, len(tokens)
        slots.drop(row)
        del rows[row]
  assert texts == expected
  assert all(end == 'stop' or n == wanted[i] for i, (end, n) in ends.items())
  assert 'length' in [end for end, _ in ends.values()]
  assert sorted(slots.free) == [0, 1]


def test_a_row_draws_as_it_would_alone(model):
  draws = {'temperature': 0.9, 'top_k': 40, 'top_p': 0.95}
  expected = model.generate(
      [PROMPTS[0]] * 2, max_new_tokens=9, seed=4, **draws
  )
  reading = model.read(PROMPTS[0], max_new_tokens=9)
  slots = model.slots(reading, count=3)
  rows = [
      slots.put(reading, max_new_tokens=9, draws=draws, seed=4, number=number)
      for number in range(2)
  ]
  rows.append(slots.put(reading, max_new_tokens=9))  # beside one that does not
  found = {row: [] for row in rows}
  for _ in range(3):
    for row, piece in slots.advance().items():
      found[row] += piece.tokens.tolist()
  texts = [model.vocabulary.decode(found[row]).strip() for row in rows]
  assert texts == [*expected, model.generate(PROMPTS[0], max_new_tokens=9)]
  assert texts[0] != texts[1]


def test_pieces_tell_how_likely_they_are_and_what_else_was(model):
  reading = model.read(PROMPTS[0], max_new_tokens=12)
  slots = model.slots(reading, count=1, alternatives=4)
  slots.put(reading, max_new_tokens=12)
  piece = slots.advance()[0]
  score = model._inference.score_read(reading, [piece.tokens.tolist()])
  np.testing.assert_allclose(piece.log_probs.sum(), score[0], rtol=1e-4)
  # The likeliest one is what was chosen, and they fall.
  assert piece.likeliest[:, 0].tolist() == piece.tokens.tolist()
  np.testing.assert_allclose(
      piece.likeliest_log_probs[:, 0], piece.log_probs, rtol=1e-5
  )
  assert (np.diff(piece.likeliest_log_probs, axis=1) <= 0).all()


def test_a_row_that_is_dropped_is_free_for_another(model):
  reading = model.read(PROMPTS[2], max_new_tokens=40)
  slots = model.slots(reading, count=1)
  row = slots.put(reading, max_new_tokens=40)
  with pytest.raises(fj.UserError, match='none of 1 rows is free'):
    slots.put(reading, max_new_tokens=40)
  slots.advance()
  slots.drop(row)
  other = model.read(PROMPTS[0], max_new_tokens=5, near=reading)
  assert slots.fits(other)
  slots.put(other, max_new_tokens=5)
  tokens = slots.advance()[row].tokens
  assert model.vocabulary.decode(tokens).strip() == model.generate(
      PROMPTS[0], max_new_tokens=5
  )
  assert slots.advance() == {}


def test_candidates_are_scored_after_what_was_read(model):
  candidates = ['a cat', 'yes', 'the small dog and the cat ' * 4]
  for prompt in PROMPTS:
    reading = model.read(prompt, max_new_tokens=1)
    np.testing.assert_allclose(
        model.score_read(reading, candidates), model.score(prompt, candidates),
        rtol=1e-5, atol=1e-5,
    )
  with pytest.raises(fj.UserError, match='one prompt is read at a time'):
    model.read(PROMPTS)
