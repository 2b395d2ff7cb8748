# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The subcommands of `flamingo`, by what they work on.

Every subcommand imports what it needs when it runs, so that `flamingo doctor`
works where the rest does not and `flamingo generate` needs no TensorFlow.
"""

import argparse
from typing import Any

from flamingo_jax import option_values
from flamingo_jax.errors import shown


def add_command(
    commands: Any, name: str, run: Any, summary: str, *examples: str
) -> Any:
  """A subparser whose `run(options, rest)` is called with the arguments.

  Args:
    commands: what `add_subparsers` has returned.
    name: of the subcommand.
    run: the function; its docstring says what the subcommand does.
    summary: one line, for the list of subcommands.
    *examples: command lines, each run by a test (tests/command_examples.py).
  """
  shown = '\n'.join(f'  {example}' for example in examples)
  lines = run.__doc__.strip().splitlines()
  parser = commands.add_parser(
      name, help=summary, allow_abbrev=False,
      description='\n'.join(line.removeprefix('  ') for line in lines),
      epilog=f'example{"s"[len(examples) == 1:]}:\n{shown}',
      formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.set_defaults(run=run)
  parser.examples = examples
  return parser


def seed(text: str) -> int:
  """A seed of random numbers, for argparse."""
  try:
    number = int(text) if len(text) < 20 else text
    return option_values.seed(number)
  except ValueError:  # a UserError, too
    raise argparse.ArgumentTypeError(
        f'{shown(text)} is not a whole number from 0 to '
        f'{option_values.LARGEST_SEED}'
    ) from None


def add_mesh(parser: Any) -> None:
  """Where the weights of a model that answers lie."""
  parser.add_argument('--mesh', metavar='AXIS:N,...',
                      help='the devices as a grid, such as fsdp:2,model:4, for '
                      'a model too large for one device; needs --rules')
  parser.add_argument('--rules', default='data_parallel', metavar='NAME',
                      help='how the weights are split over --mesh, such as '
                      'tensor_parallel; by default each device holds them all')


def mesh_options(options: argparse.Namespace) -> dict[str, Any]:
  """What `load` is told of `add_mesh`'s flags."""
  from flamingo_jax.sharding import parse_mesh

  mesh = parse_mesh(options.mesh) if options.mesh else None
  return {'mesh': mesh, 'rules': options.rules}
