# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Reading XLA's text: groups in their three syntaxes, loops, memory spaces."""

import numpy as np
import pytest

from flamingo_jax.planning import hlo


@pytest.mark.parametrize('text, groups', [
    ('replica_groups={{0,1},{2,3}}', [[0, 1], [2, 3]]),
    ('replica_groups=[2,2]<=[4]', [[0, 1], [2, 3]]),
    ('replica_groups=[2,2]<=[2,2]T(1,0), dimensions={1}', [[0, 2], [1, 3]]),
    ("replica_groups=mesh['a'=2,'b'=2] {'b'}", [[0, 1], [2, 3]]),
    ("replica_groups=mesh['a'=2,'b'=2] {'a'}", [[0, 2], [1, 3]]),
    ("replica_groups=mesh['a'=1,'b'=2,'c'=2], device_ids=([2,2]T(1,0)) {'b'}",
     [[0, 1], [2, 3]]),
    ('source_target_pairs={{0,1},{1,0}}', [[0, 1], [1, 0]]),
])
def test_groups_in_every_syntax(text, groups):
  np.testing.assert_array_equal(hlo.replica_groups(text), groups)


def test_no_groups_are_everybody():
  assert hlo.replica_groups('channel_id=1, to_apply=%add') is None


def test_arrays_know_their_size_and_where_they_lie():
  first, second = hlo.arrays(
      '(bf16[8,128]{1,0:T(8,128)(2,1)S(1)}, f32[]{:T(256)})'
  )
  assert (first.shape, first.bytes, first.on_chip) == ((8, 128), 2048, True)
  assert (second.shape, second.bytes, second.on_chip) == ((), 4, False)


LOOP = """
HloModule m

%body (p: (s32[], f32[4])) -> (s32[], f32[4]) {
  %p = (s32[], f32[4]) parameter(0)
  %i = s32[] get-tuple-element(%p), index=0
  %x = f32[4] get-tuple-element(%p), index=1
  %y = f32[4] multiply(%x, %x)
  %step = s32[] constant(1)
  %next = s32[] add(%i, %step)
  ROOT %t = (s32[], f32[4]) tuple(%next, %y)
}

%condition (p: (s32[], f32[4])) -> pred[] {
  %n = s32[] constant(9)
  %p = (s32[], f32[4]) parameter(0)
  %i = s32[] get-tuple-element(%p), index=0
  ROOT %lt = pred[] compare(%i, %n), direction=LT
}

ENTRY %main (x: f32[4]) -> (s32[], f32[4]) {
  %x = f32[4] parameter(0)
  %zero = s32[] constant(0)
  %start = s32[] copy(%zero)
  %state = (s32[], f32[4]) tuple(%start, %x)
  ROOT %w = (s32[], f32[4]) while(%state), condition=%condition, body=%body
}
"""


@pytest.mark.parametrize('change, trips', [
    (('', ''), 9),
    (('%step = s32[] constant(1)', '%step = s32[] constant(2)'), 5),
    (('%zero = s32[] constant(0)', '%zero = s32[] constant(3)'), 6),
])
def test_a_loop_runs_from_its_start_in_its_steps_to_its_bound(change, trips):
  program = hlo.parse(LOOP.replace(*change))
  times = {i.opcode: n for _, i, n in program.executed()}
  assert times['multiply'] == trips


def test_a_condition_that_says_nothing_is_an_error():
  program = hlo.parse(LOOP.replace('direction=LT', 'direction=NE'))
  with pytest.raises(ValueError, match='no trip count for w'):
    list(program.executed())


def test_other_text_is_refused():
  with pytest.raises(ValueError, match='not the text of a compiled program'):
    hlo.parse('hello')
