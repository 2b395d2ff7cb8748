# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Scorers of one's own."""

import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.prepare import thresholds
from flamingo_jax.prepare.source import Dropped


def test_a_scorer_of_ones_own():
  short = thresholds.scorer('builtins:len<=10')
  short.check('ten chars.')
  with pytest.raises(Dropped, match='scorer builtins:len'):
    short.check('eleven char')
  thresholds.scorer('builtins:len>=11').check('eleven char')


@pytest.mark.parametrize('wrong', [
    'builtins:len=3', 'no_such:len>=3', 'builtins:no_such>=3', 'len>=x',
])
def test_what_is_no_scorer_is_told(wrong):
  with pytest.raises(UserError, match='is not understood'):
    thresholds.scorer(wrong)
