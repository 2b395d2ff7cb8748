# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The subcommands of `flamingo`, by what they work on.

Every subcommand imports what it needs when it runs, so that `flamingo doctor`
works where the rest does not and `flamingo generate` needs no TensorFlow.
"""

import argparse
from typing import Any


def add_command(commands: Any, name: str, run: Any, summary: str) -> Any:
  """A subparser whose `run(options, rest)` is called with the arguments."""
  parser = commands.add_parser(
      name, help=summary, description=run.__doc__, allow_abbrev=False,
      formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.set_defaults(run=run)
  return parser
