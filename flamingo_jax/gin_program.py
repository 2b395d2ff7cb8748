# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What the programs train, eval and infer share: gin files in, status out."""

from collections.abc import Callable, Sequence
from typing import Any

from absl import logging
import gin

from flamingo_jax import gin_config
from flamingo_jax.data import storage
from flamingo_jax.driver import processes
from flamingo_jax.errors import Parser, print_any_name, status_of, tell

_TOLD = 300  # characters of what a library says


def parse_arguments(argv: Sequence[str]) -> tuple[list[str], list[str]]:
  """(gin files, bindings without --gin.)."""
  parser = Parser(
      description='Runs what gin files describe.',
      epilog='--gin.NAME=VALUE sets a gin name, for example '
      '--gin.MODEL_DIR=runs/shapes.',
  )
  parser.add_argument('--gin_file', action='append', required=True)
  arguments, rest = parser.parse_known_args(argv)
  for argument in rest:
    if not argument.startswith('--gin.'):
      parser.error(f'unknown argument {argument}')
  return arguments.gin_file, [a.removeprefix('--gin.') for a in rest]


def run(
    function: Callable[..., Any],
    argv: Sequence[str],
    on_refusal: str = 'run the same command again',
) -> int:
  """Configures `function` from gin files and calls it.

  Args:
    function: a driver's; gin files know it as an attribute of `__main__`.
    argv: the arguments after the program's name.
    on_refusal: what to do once the disk or the bucket takes more.

  Returns:
    The exit code: 2 for errors of the user, which are told in one line.
  """
  gin_files, bindings = parse_arguments(argv)
  print_any_name()
  logging.set_verbosity(logging.WARNING)
  configured = gin.configurable(function)

  def program() -> None:
    processes.join()
    gin_config.parse(gin_files, bindings)
    gin_config.one_sentence(configured)

  try:
    return status_of(program)
  except Exception as error:
    refusal = storage.explain(error)
    if refusal is None:
      raise
    told = ' '.join(str(error).split())[:_TOLD]
    return tell(f'{refusal.reason} ({told}); {refusal.remedy} and {on_refusal}')
