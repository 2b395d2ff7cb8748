# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What one unit of the input becomes."""

import dataclasses
import time

from flamingo_jax.prepare import conversion
from flamingo_jax.prepare import fitting
from flamingo_jax.prepare import spool
from tests.prepare import counting


@dataclasses.dataclass(frozen=True)
class Slow(counting.Counting):
  """Item 1 computes for ever, and item 2 is kept waiting by other programs."""

  def convert(self, item, fitter):
    while item.value == 1:
      pass
    if item.value == 2:
      time.sleep(0.6)
    return super().convert(item, fitter)


def test_time_to_compute_is_limited_and_a_busy_machine_takes_none_of_it(
    tmp_path, monkeypatch
):
  monkeypatch.setattr(conversion, 'SECONDS', 0.3)
  source = Slow((str(tmp_path),), count=3)
  (unit,) = source.units()
  conversion.convert_unit(
      source, fitting.MediaFitter(64), unit, tmp_path, 0, skip={}
  )
  counts = spool.read_counts(tmp_path, 0)
  assert counts.documents == 2
  assert list(counts.drops) == ['item takes too long']
