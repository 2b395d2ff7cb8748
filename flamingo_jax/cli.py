# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The `flamingo` program: train, eval, generate, serve, prepare and others."""

import sys

from flamingo_jax import own_code

if __name__ == '__main__':  # before the imports that it is about
  own_code.keep_current_folder_out()

import argparse
from collections.abc import Sequence

import flamingo_jax
from flamingo_jax import broken_pipe
from flamingo_jax import errors
from flamingo_jax.commands import (
    ablating,
    add_command,
    chatting,
    checking,
    completing,
    converting,
    gridding,
    matching,
    planning,
    preparing,
    prompting,
    reporting,
    running,
    serving,
    vocabularies,
)

# Those that compile a model to ask it, and so find it compiled the next time.
_ANSWERING = (
    'generate', 'chat', 'score', 'eval', 'infer', 'match', 'serve',
)

_FIRST = """Flamingo, a visual language model for few-shot learning. Start with:

  flamingo doctor
      check the installation: what is wrong, and how to fix it
  flamingo generate --image=photo.jpg --prompt="Output:"
      ask the tiny model that comes with the package; --model_dir asks yours
  flamingo check pairs.jsonl --html=preview.html
      find what is broken or too long in your own data
  flamingo train --gin_file=configs/own_data.gin --data=pairs.jsonl \\
      --model_dir=runs/own
      train on that data; if stopped, the same command resumes
  flamingo eval --list
      list the benchmarks that a model can be scored on

`flamingo --help` lists all commands, `flamingo COMMAND --help` their flags."""


def main(argv: Sequence[str] | None = None) -> int:
  """Runs the program.

  Args:
    argv: the arguments after the program's name; those of the process if None.

  Returns:
    The exit status: 0, or 2 for bad input (one line on stderr says what), or
    what the subcommand defines; 141 when the reader of a pipe is gone.
  """
  return broken_pipe.quietly(lambda: run_subcommand(argv))


def run_subcommand(argv: Sequence[str] | None) -> int:
  """`main`, for output that is read to its end."""
  parser = make_parser()
  if not (sys.argv[1:] if argv is None else argv):
    print(_FIRST)
    return 0
  options, rest = parser.parse_known_args(argv)
  unknown = [a for a in rest if not running.passes_to_gin(options.command, a)]
  if unknown:
    parser.error(f'{options.command} does not know {unknown[0]}; see '
                 f'flamingo {options.command} --help')
  errors.print_any_name()
  if options.command in _ANSWERING:
    from flamingo_jax import compiled

    compiled.keep()
  from absl import logging  # not for --help, which it would slow down

  logging.set_verbosity(logging.ERROR)  # libraries' chatter
  try:
    return errors.status_of(lambda: _run(options, rest))
  except BrokenPipeError:
    raise
  except ModuleNotFoundError as error:
    if not error.name or error.name.startswith('flamingo_jax'):
      raise
    from flamingo_jax import doctor

    needed = doctor.not_installed(error.name, doctor.requirements())
    return errors.tell(f'flamingo {options.command} needs {needed}')
  except (OSError, UnicodeEncodeError) as error:
    from flamingo_jax.data import storage

    return errors.tell(storage.sentence(error))
  except KeyboardInterrupt:
    return 130


def _run(options: argparse.Namespace, rest: Sequence[str]) -> int | None:
  for module in options.imported:
    try:
      own_code.import_module(module)
    except (ImportError, SyntaxError, ValueError) as error:
      raise errors.UserError(
          f'--import={module} cannot be imported ({error}); run it from the '
          'folder that has it, or fix it'
      ) from error
  return options.run(options, rest)


def make_parser() -> argparse.ArgumentParser:
  """The flags of every subcommand."""
  parser = errors.Parser(
      prog='flamingo', allow_abbrev=False,
      description='Flamingo, a visual language model for few-shot learning.')
  parser.add_argument('--version', action='version',
                      version=f'flamingo_jax {flamingo_jax.__version__}')
  parser.add_argument('--import', dest='imported', metavar='MODULE',
                      action='append', default=[],
                      help='import this module first; a model whose encoder is '
                      'your own needs that')
  commands = parser.add_subparsers(dest='command', required=True)
  for add in (
      running.add_train, gridding.add_grid, running.add_eval, running.add_infer,
      reporting.add_report, prompting.add_generate, chatting.add_chat,
      prompting.add_score,
      serving.add_serve, preparing.add_prepare, prompting.add_explain,
      checking.add_check, planning.add_plan,
      matching.add_match, ablating.add_ablate, vocabularies.add_vocabulary,
      converting.add_convert, converting.add_export,
  ):
    add(commands)
  add_command(commands, 'doctor', run_doctor, 'check the installation',
              'flamingo doctor')
  completing.add_completion(commands, make_parser)
  return parser


def run_doctor(options: argparse.Namespace, rest: Sequence[str]) -> int:
  """Prints versions, devices, and known problems with their remedies.

  The exit status is 1 if something is wrong.
  """
  from flamingo_jax import doctor

  return doctor.main()


if __name__ == '__main__':
  sys.exit(main())
