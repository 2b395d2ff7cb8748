# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo report."""

import argparse
from collections.abc import Sequence
from typing import Any

from flamingo_jax.commands import add_command


def add_report(commands: Any) -> None:
  """The flags of `flamingo report`."""
  parser = add_command(commands, 'report', run_report,
                       'compare evaluations on one page',
                       'flamingo report --out=report.html runs/shapes/eval')
  parser.add_argument('cards', nargs='+', metavar='CARD',
                      help='a card.json, or a folder with several in it')
  parser.add_argument('--out', default='report.html', metavar='FILE.html',
                      help='the page to write (default: report.html)')


def run_report(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Puts the cards of evaluations side by side.

  The page has scores over shots, a table with what the shots alone would score,
  differences between models query by query, and links to the queries. The table
  is also written as CSV and LaTeX. All other models are compared with the first
  card's.
  """
  from flamingo_jax.evaluation import comparison

  for path in comparison.write(comparison.find(options.cards), options.out):
    print(path)
