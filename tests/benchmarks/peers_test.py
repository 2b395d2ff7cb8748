# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The race with other Flamingos' makers, without the makers."""

import sys

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.turns import OtherSide
from tests.convert.idefics_folders import converted  # noqa: F401

SIZE = {'vocab': 55, 'image': 12, 'shots': 2, 'shot': 4, 'batch': 1, 'new': 5}
DOUBLE = '''
import sys
print('"ready"', flush=True)
for line in sys.stdin:
  print(2 * int(line), flush=True)
'''


def test_the_other_side_answers_in_turns_and_its_end_is_told():
  other = OtherSide([sys.executable, '-c', DOUBLE])
  assert other.told == 'ready'
  assert [other(3), other(4)] == [6, 8]
  other.close()
  with pytest.raises(RuntimeError, match='ended with status 7'):
    OtherSide([sys.executable, '-c', 'raise SystemExit(7)'])


def test_texts_have_a_picture_at_the_start_of_each_chunk():
  texts = peers.make_texts(SIZE, 2, 10, 2, seed=0)
  end, image = 55, 56
  for row, targets in zip(texts['tokens'], texts['targets']):
    assert np.flatnonzero(row == image).tolist() == [2, 6] and row[5] == end
    assert targets[4] == end and targets[1] == targets[5] == targets[9] == -100
  assert texts['media_index'][0].tolist() == [0] * 2 + [1] * 4 + [2] * 4
  assert texts['pixels'].shape == (2, 2, 12, 12, 3)


def test_another_model_is_not_raced():
  logits = np.random.default_rng(0).normal(size=(1, 4, 5))
  assert peers.check_logits(logits, logits + 1e-6, 1e-3) < 1e-5
  for other in (logits + 0.01, logits + np.nan):
    with pytest.raises(RuntimeError, match='not the same model'):
      peers.check_logits(logits, other, 1e-3)


def test_ratios_are_ours_over_theirs_and_decoding_is_what_follows_prefill():
  turns = {  # seconds, those of processors
      'prefill': [[(1.0, 2.0), (2.0, 2.0)]] * 3,
      'generate': [[(2.0, 3.0), (6.0, 6.0)]] * 3,
  }
  results = {name: [[[[1, 2]], [[1, 3]]]] for name in turns}
  results['train'] = [[2.0, 2.0], [1.0, 1.25]]
  told = peers.summarize(turns, results, SIZE)
  assert told['losses_differ'] == 0.25
  assert told['prefill']['ratio'] == 0.5 and told['prefill']['cpu_ratio'] == 1
  assert told['decode']['ratio'] == told['decode']['cpu_ratio'] == 0.25
  assert told['decode']['tokens_per_second'] == 4
  assert told['generate_same'] == 0.5 and 'generate' not in told


def test_our_side_learns_and_reads_shots_once(converted):  # noqa: F811
  ours = peers.Ours(converted('base'))
  shots, query = peers.make_query(SIZE)
  whole = peers.joined(shots, query)
  assert whole['media_index'][0].tolist() == [1] * 4 + [2] * 4 + [3] * 4
  assert ours.logits(whole).shape == (1, 12, 57)
  np.testing.assert_array_equal(
      ours.generate(query, 5, ours.read(shots)), ours.generate(whole, 5)
  )
  ours.start_training(whole)
  losses = [ours.train() for _ in range(20)]
  assert losses[-1] < losses[0]
