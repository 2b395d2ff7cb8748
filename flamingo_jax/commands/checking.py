# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo check: data sets before they are trained on."""

import argparse
from collections.abc import Mapping, Sequence
import os
from typing import Any

from flamingo_jax.commands import add_command
from flamingo_jax.commands.prompting import add_vocabulary, load_vocabulary
from flamingo_jax.errors import UserError

_OWN_DATA = 'configs/own_data.gin'
_PREPARED = 'configs/mixtures/flamingo_pretrain.gin'
_PAGES = 'm3w'  # there


def add_check(commands: Any) -> None:
  """The flags of `flamingo check`."""
  parser = add_command(commands, 'check', run_check,
                       'check a data set before training',
                       'flamingo check pairs.jsonl --html=preview.html',
                       'flamingo check pairs.jsonl --gin.TOKENS=128',
                       'flamingo check data/m3w/train '
                       '--gin_file=configs/flamingo_3b.gin')
  parser.add_argument('path', metavar='PATH',
                      help='a JSONL file, or a folder that flamingo prepare '
                      'wrote')
  parser.add_argument('--html', metavar='OUT.html',
                      help='write a preview of 20 samples')
  parser.add_argument('--gin_file', action='append', metavar='FILE',
                      help='the configuration that you will train with: its '
                      'lengths decide what is too long (default: '
                      f'{_OWN_DATA} for a file, {_PREPARED} for a folder)')
  add_vocabulary(parser)


def run_check(options: argparse.Namespace, rest: Sequence[str]) -> int:
  """Counts a data set, lists what is wrong with it, and previews 20 samples.

  Give it the --gin_file and --gin.NAME=value of your training, and it says what
  will be too long. The exit status is 1 if there are problems.
  """
  from flamingo_jax.prepare import check

  bindings = [argument.removeprefix('--gin.') for argument in rest]
  lengths, macros = _lengths(options.path, options.gin_file, bindings)
  report = check.check(
      options.path, vocabulary=_vocabulary(options, macros),
      lengths=lengths, macros=macros, out_html=options.html)
  print(report)
  return 1 if report.problems else 0


def _vocabulary(
    options: argparse.Namespace, macros: Mapping[str, Any]
) -> Any:
  """That which flags name, or that of the run's LANGUAGE_MODEL, if it has one."""
  from flamingo_jax.run_dir.towers import tower_vocabulary

  language_model = macros.get('LANGUAGE_MODEL')
  if options.vocabulary or options.model_dir or not language_model:
    return load_vocabulary(options)
  return tower_vocabulary(language_model, lambda: load_vocabulary(options))


def _lengths(
    path: str, gin_files: Sequence[str] | None, bindings: Sequence[str]
) -> tuple[dict[str, int], Mapping[str, Any]]:
  """Lengths of an example of the run that these files configure, and macros.

  Raises:
    UserError: the files have none, none of the data set of a folder, or one
      that is no length.
  """
  from flamingo_jax import gin_macros

  default = _PREPARED if os.path.isdir(path) else _OWN_DATA
  macros = gin_macros.read(gin_files or [default], bindings)
  # Which a function makes of the latter, if nothing else is said.
  tasks = macros.get('TASK_FEATURE_LENGTHS') or macros.get('DATASETS')
  files = ', '.join(gin_files or [default])
  if not tasks:
    raise UserError(f'{files}: DATASETS or TASK_FEATURE_LENGTHS is not set, so '
                    'the lengths of examples are not known; give the '
                    '--gin_file of a run')
  # Folders are DATA_DIR/<data set>/<split>.
  folders = os.path.abspath(path).split(os.sep)
  name = next((part for part in reversed(folders) if part in tasks), None)
  if name is None and gin_files and len(tasks) > 1:
    raise UserError(
        f'{path} is none of the data sets {", ".join(tasks)} of {files}; a '
        'folder is DATA_DIR/<data set>/<split>'
    )
  if name is None:
    name = _PAGES if _PAGES in tasks else next(iter(tasks))
  given = {'frames': 1, 'media': 0} | tasks[name]
  lengths = {key: given.get(key) for key in ('tokens', 'media', 'frames')}
  if 'documents' in given:  # of a packed row
    lengths['documents'] = given['documents']
  for key, length in lengths.items():
    if type(length) is not int or length < (key != 'media'):
      raise UserError(f'{key!r} of {name!r} in {files} is {length!r}, but must '
                      'be a positive whole number')
  return lengths, macros
