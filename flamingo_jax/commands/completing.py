# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo completion: what a shell needs to complete commands and flags."""

import argparse
from collections.abc import Callable, Iterator, Sequence
import re
from typing import Any

from flamingo_jax.commands import add_command
from flamingo_jax.errors import UserError

_FOLDER = re.compile(r'DIR|TOWER')
_FILE = re.compile(r'FILE|PATH|JSON|TAR|PARQUET|PAGES|FOLDER|\.html')


def add_completion(
    commands: Any, make_parser: Callable[[], argparse.ArgumentParser]
) -> None:
  """The flags of `flamingo completion`."""
  parser = add_command(
      commands, 'completion', run_completion,
      'print a script for shell completion',
      'flamingo completion bash > flamingo.bash',
      'flamingo completion zsh > _flamingo',
  )
  parser.add_argument('shell', choices=('bash', 'zsh'), help='your shell')
  parser.set_defaults(make_parser=make_parser)


def run_completion(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Prints a script that completes commands, flags and file names.

  For bash, `source` the file in ~/.bashrc. For zsh, put it into a folder on
  fpath, before compinit runs. Print it again after an update.
  """
  try:
    import shtab
  except ModuleNotFoundError:
    raise UserError('flamingo completion needs shtab, which is not installed; run '
                    'pip install shtab') from None

  parser = options.make_parser()
  for action in _actions(parser):
    names = str(action.metavar or '')
    if _FOLDER.search(names):
      action.complete = shtab.DIRECTORY
    elif _FILE.search(names):
      action.complete = shtab.FILE
  script = shtab.complete(parser, options.shell)
  # Behind `--flag=`, which bash takes for a word, names of files.
  print(script.replace('complete -o bashdefault', 'complete -o bashdefault -o '
                       'default'))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
  """Those of a parser and of all its subcommands."""
  for action in parser._actions:
    yield action
    if isinstance(action, argparse._SubParsersAction):
      for below in action.choices.values():
        yield from _actions(below)
