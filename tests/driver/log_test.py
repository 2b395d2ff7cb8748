# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Sums over steps, the log file, and the gates in it."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax.driver.log import MetricsLog, Window, gate_values

LAMBDA = {'a': 1.0, 'b': 0.2}


def step(a, b, weight_b=2.0):
  return {
      'a/loss_sum': a, 'a/weight': 3.0, 'b/loss_sum': b, 'b/weight': weight_b,
      'grad_norm': 0.5, 'images': 4.0, 'tokens': 5.0,
  }


def test_means_are_per_token_and_weighted_by_lambda():
  window = Window(LAMBDA)
  window.add(step(6.0, 3.0))
  window.add(step(9.0, 9.0, weight_b=4.0))
  window.add_seconds('data', 1.0)
  window.add_seconds('step', 3.0)
  assert window.summary() == pytest.approx({
      'loss': 15 / 6 + 0.2 * 12 / 6, 'loss/a': 15 / 6, 'loss/b': 12 / 6,
      'grad_norm': 0.5, 'step_seconds': 2.0, 'tokens_per_second': 10 / 4,
      'images_per_second': 8 / 4, 'data_wait_share': 0.25,
  })


def test_a_dataset_without_a_turn_is_left_out():
  window = Window(LAMBDA)
  window.add(step(6.0, 0.0, weight_b=0.0))
  summary = window.summary()
  assert 'loss/b' not in summary and summary['loss'] == summary['loss/a'] == 2


def test_a_window_continues_exactly_after_json():
  steps = [step(*np.random.default_rng(i).random(2)) for i in range(9)]
  whole, first, second = Window(LAMBDA), Window(LAMBDA), Window(LAMBDA)
  for values in steps:
    whole.add(values)
  for values in steps[:5]:
    first.add(values)
  second.restore(json.loads(json.dumps(first.state())))
  for values in steps[5:]:
    second.add(values)
  for key in ('loss', 'loss/a', 'loss/b', 'grad_norm'):
    assert whole.summary()[key] == second.summary()[key]
  assert second.summary()['step_seconds'] < 1e-6  # only what it has seen itself


def test_lines_after_the_restored_step_are_dropped(tmp_path):
  log = MetricsLog(tmp_path, 0)
  for n in (2, 4, 6):
    log.write(n, {'loss': float(n)})
  log.close()
  path = tmp_path / 'metrics.jsonl'
  path.write_text(path.read_text() + '{"step": 8, "lo')
  log = MetricsLog(tmp_path, 4)
  assert path.read_text() == (
      '{"step": 2, "loss": 2.0}\n{"step": 4, "loss": 4.0}\n'
  )
  log.write(6, {'loss': 1 / 3})
  assert json.loads(path.read_text().splitlines()[-1]) == {
      'step': 6, 'loss': 1 / 3
  }
  assert sorted(p.name for p in tmp_path.iterdir()) == [
      'metrics.jsonl', 'tensorboard'
  ]


def test_gates_are_told_per_block_in_order():
  params = {'decoder': {
      'tail': {'xattn': {
          'attn_gate': jnp.float32(3), 'ffw_gate': jnp.ones(())
      }},
      'groups': {'xattn': {
          'attn_gate': jnp.array([1.0, 2.0]), 'ffw_gate': jnp.zeros(2)
      }},
  }}
  assert gate_values(params) == pytest.approx({
      'gate/attn/00': np.tanh(1), 'gate/attn/01': np.tanh(2),
      'gate/attn/02': np.tanh(3), 'gate/ffw/00': 0, 'gate/ffw/01': 0,
      'gate/ffw/02': np.tanh(1),
  })
  params = {'groups': {'xattn': {
      'attn_gate': jnp.array([[1.0, -1.0], [2.0, 2.0]]),
      'attn_norm': {'scale': jnp.ones((2, 2))},
  }}}
  assert gate_values(params) == pytest.approx(
      {'gate/attn/00': np.tanh(1), 'gate/attn/01': np.tanh(2)}
  )
