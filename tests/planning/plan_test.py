# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Plans of small runs for a v5e of four chips: what fits, what is refused."""

import dataclasses
import json

import pytest

from flamingo_jax import cli
from flamingo_jax import sharding
from flamingo_jax.errors import UserError
from flamingo_jax.planning import plan as plan_lib
from flamingo_jax.planning import printout
from tests import command_examples


@pytest.fixture(scope='module')
def plan(small_run, slice_2x2):
  run = dataclasses.replace(
      small_run, lengths={'a': small_run.lengths['a']}, batch_sizes={'a': 8},
      total_steps=1000,
  )
  run = run.with_setting('sequence_parallel', 'full', None)
  return plan_lib.make_plan(run, slice_2x2, {'fsdp': 2, 'model': 2})


def test_a_plan_that_fits(plan):
  assert plan.fits and plan.refusal == ()
  assert 0 < plan.memory.total < plan.memory.limit == 15.75
  best, worst = plan.seconds
  assert 0 < best <= worst
  low, high = plan.mfu
  assert 0 < low <= high < 1
  # Full rematerialisation runs the forward pass of the decoder again.
  assert 1.05 < plan.cost.flops * plan.chips / plan.model_flops < 1.4


def test_model_axis_talks_about_activations_and_fsdp_about_weights(plan):
  axes = {c.axes for c in plan.cost.collectives}
  assert {'fsdp', 'model'} <= axes


def test_report_says_what_matters(plan):
  text = printout.as_text(plan)
  for words in (
      'predicted, not measured', 'v5e:2x2: 4 chips', 'memory: fits; ', 'of 15.75',
      'to spare',
      'frozen', 'trainable', 'optimizer', 'temporaries', 'executed', 'MFU:',
      'tokens/s', '1,000 steps:', 'over model', 'compiled in',
  ):
    assert words in text
  values = json.loads(printout.as_json(plan))
  assert values['fits'] is True
  assert values['step_seconds'] == list(plan.seconds)
  assert values['memory']['total'] == pytest.approx(plan.memory.total)


@pytest.mark.parametrize('vocab, status, verdict', [
    (840, 0, ['memory: fits', 'step: ']),
    # The table alone has 2^27 rows of 128 float32: 64 GiB.
    (2**27, 1, ['DOES NOT FIT, the compiler', 'change: split the weights']),
])
def test_a_language_model_fits_or_is_refused_by_the_compiler(
    slice_2x2, capsys, vocab, status, verdict
):
  assert cli.main([
      *command_examples.arguments('plan'),
      f"--gin.runtime.variant.overrides={{'decoder.vocab': {vocab}}}",
  ]) == status
  printed = capsys.readouterr().out
  for words in ('4 chips', '2,048 tokens, 0 pictures', *verdict):
    assert words in printed


def test_refusals_name_the_largest():
  message = """RESOURCE_EXHAUSTED: Out of memory. Used 20.50G of 15.75G

  1. Size: 8.00G
     Operator: op_name="jit(train_step)/decoder/dot_general"
     Shape: bf16[4096,1048576]{1,0}
  2. Size: 512.00M
     Shape: f32[16]{0}
"""
  needed, largest = plan_lib.read_refusal(message)
  assert needed == 20.5
  assert largest[0].startswith('8.00G bf16[4096,1048576] jit(train_step)')
  assert len(largest) == 2


def test_other_errors_of_the_compiler_are_one_sentence():
  with pytest.raises(UserError, match='refuses this program: INTERNAL'):
    plan_lib.read_refusal('INTERNAL: something\nbroke')


@pytest.mark.parametrize('text', ['rows:4', 'fsdp', 'fsdp:0', 'fsdp:x'])
def test_a_mesh_that_is_none_is_refused(text):
  with pytest.raises(UserError, match='AXIS:SIZE with an axis of replica'):
    sharding.parse_mesh(text)


def test_mesh_of_the_command_line():
  assert sharding.parse_mesh('fsdp:16,model:4') == {'fsdp': 16, 'model': 4}


def test_what_the_compiler_accepts_above_the_limit_does_not_fit(plan):
  memory = dataclasses.replace(plan.memory, frozen=plan.memory.limit)
  above = dataclasses.replace(plan, memory=memory)
  assert above.accepted and not above.fits
  text = printout.as_text(above)
  assert 'DOES NOT FIT by the safe count, though' in text and 'change: ' in text
  assert f'{memory.spare:.0%} to spare' in text and memory.spare < 0
  assert json.loads(printout.as_json(above))['fits'] is False
