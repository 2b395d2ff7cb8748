# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo check: data sets before they are trained on."""

import argparse
from collections.abc import Sequence
from typing import Any

from flamingo_jax.commands import add_command
from flamingo_jax.commands.prompting import load_vocabulary


def add_check(commands: Any) -> None:
  """The flags of `flamingo check`."""
  parser = add_command(commands, 'check', run_check, 'check a data set')
  parser.add_argument('path', metavar='PATH',
                      help='a JSONL file, or a folder that flamingo prepare has '
                      'made')
  parser.add_argument('--html', metavar='OUT.html',
                      help='write a preview of 20 samples')
  parser.add_argument('--length', type=int, default=256, metavar='L',
                      help='tokens of a training example')
  parser.add_argument('--media', type=int, default=5, metavar='M',
                      help='images of a training example')
  parser.add_argument('--vocabulary', metavar='FILE.model')


def run_check(options: argparse.Namespace, rest: Sequence[str]) -> int:
  """Counts a data set, lists what is wrong with it and previews 20 samples.

    flamingo check pairs.jsonl --html=preview.html
    flamingo check data/m3w/train

  The exit status is 1 when there are problems.
  """
  from flamingo_jax.prepare import check

  report = check.check(
      options.path, vocabulary=load_vocabulary(options.vocabulary),
      length=options.length, max_media=options.media, out_html=options.html)
  print(report)
  return 1 if report.problems else 0
