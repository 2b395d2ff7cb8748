# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Plans of few-shot inference."""

import dataclasses

from flamingo_jax.planning import decode, printout


def test_a_token_costs_a_small_part_of_reading_the_prompt(
    small_run, slice_2x2
):
  run = dataclasses.replace(small_run, rules='tensor_parallel')
  plans = decode.make_plans(run, slice_2x2, {'fsdp': 2, 'model': 2})
  encode, prefill, token = (
      plans[name] for name in ('encode', 'prefill', 'token')
  )
  assert encode.fits and prefill.fits and token.fits
  assert encode.pictures == 4
  assert prefill.tokens == 2 * 33 * 32 and token.tokens == 2
  assert token.cost.flops < prefill.cost.flops / 50
  assert token.memory.optimizer == 0
  # The cache of three beams is an argument of the token's step.
  assert token.memory.batch > 0
  assert 'prefill:' in printout.as_text(prefill)
  # Rematerialisation and microbatches are no remedies of answers.
  memory = dataclasses.replace(prefill.memory, temporaries=100.0)
  (remedy,) = printout.remedies(dataclasses.replace(prefill, memory=memory))
  assert "'model'" in remedy
