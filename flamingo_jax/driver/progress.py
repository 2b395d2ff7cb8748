# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A run's progress on standard error: a bar, or plain lines in a file."""

from collections.abc import Mapping
import sys

import jax
import tqdm

from flamingo_jax import progress


class Progress:
  """A bar where standard error is a terminal, else one line per log line.

  Only the first process of a job shows it.
  """

  def __init__(self, first_step: int, total_steps: int):
    """Shows `first_step` of `total_steps` as done."""
    self._total = total_steps
    self._terminal = sys.stderr.isatty() and jax.process_index() == 0
    self._bar = tqdm.tqdm(
        total=total_steps,
        initial=first_step,
        disable=not self._terminal,
        unit='step',
        dynamic_ncols=True,
    )

  def step(self) -> None:
    """One more step is done."""
    self._bar.update()

  def report(self, step: int, values: Mapping[str, float]) -> None:
    """Shows the numbers to watch of a log line."""
    shown = {
        key: f'{value:.4g}'
        for key, value in values.items()
        if key.startswith(('loss', 'eval/loss'))
        or key in ('grad_norm', 'tokens_per_second')
    }
    if self._terminal:
      self._bar.set_postfix(shown)
    else:
      numbers = '  '.join(f'{key} {value}' for key, value in shown.items())
      self.say(f'step {step}/{self._total}  {numbers}')

  def say(self, line: str) -> None:
    """Prints a line without tearing the bar."""
    if jax.process_index() == 0:
      progress.say(line)

  def close(self) -> None:
    """Leaves the bar as it stands."""
    self._bar.close()
