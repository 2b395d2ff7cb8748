# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The `flamingo` program: train, generate, score, explain, check, plan, doctor.

Every subcommand imports what it needs when it runs, so that `flamingo doctor`
works where the rest does not and `flamingo generate` needs no TensorFlow.
"""

import argparse
from collections.abc import Sequence
import runpy
import sys
from typing import Any

from absl import logging

from flamingo_jax import errors

# Flags of `flamingo train` and the gin macros that every run file shares.
TRAIN_MACROS = {
    'data': 'DATA', 'model_dir': 'MODEL_DIR', 'steps': 'TRAIN_STEPS',
    'seed': 'SEED',
}


def main(argv: Sequence[str] | None = None) -> int:
  """Runs the program.

  Args:
    argv: the arguments after the program's name; those of the process if None.

  Returns:
    The exit status: 0, or 2 for bad input (one line on stderr says what), or
    what the subcommand defines.
  """
  parser = make_parser()
  options, rest = parser.parse_known_args(argv)
  unknown = [a for a in rest if not passes_to_gin(options.command, a)]
  if unknown:
    parser.error(f'{options.command} does not know {unknown[0]}; see '
                 f'flamingo {options.command} --help')
  logging.set_verbosity(logging.ERROR)  # libraries' chatter
  try:
    return options.run(options, rest) or 0
  except errors.UserError as e:
    print(f'error: {e}', file=sys.stderr)
    return 2
  except KeyboardInterrupt:
    return 130


def passes_to_gin(command: str, argument: str) -> bool:
  """Whether an argument is a `--gin.NAME=value` of a command with gin files."""
  return (
      command in ('train', 'plan')
      and argument.startswith('--gin.') and '=' in argument
  )


def make_parser() -> argparse.ArgumentParser:
  """The flags of every subcommand."""
  parser = argparse.ArgumentParser(
      prog='flamingo', allow_abbrev=False,
      description='Flamingo, a visual language model for few-shot learning.')
  commands = parser.add_subparsers(dest='command', required=True)
  add_train(commands)
  add_generate(commands)
  add_score(commands)
  add_explain(commands)
  add_check(commands)
  add_plan(commands)
  add_command(commands, 'doctor', run_doctor, 'say what is installed and wrong')
  return parser


def add_command(commands: Any, name: str, run: Any, summary: str) -> Any:
  """A subparser whose `run(options, rest)` is called with the arguments."""
  parser = commands.add_parser(
      name, help=summary, description=run.__doc__, allow_abbrev=False,
      formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.set_defaults(run=run)
  return parser


def add_train(commands: Any) -> None:
  """The flags of `flamingo train`."""
  parser = add_command(commands, 'train', run_train, 'train or resume a model')
  parser.add_argument('--gin_file', action='append', required=True,
                      metavar='FILE', help='a configuration; may be repeated')
  parser.add_argument('--data', metavar='FILE.jsonl', help='sets DATA')
  parser.add_argument('--model_dir', metavar='DIR', help='sets MODEL_DIR')
  parser.add_argument('--steps', type=int, metavar='N', help='sets TRAIN_STEPS')
  parser.add_argument('--seed', type=int, metavar='S', help='sets SEED')


def add_plan(commands: Any) -> None:
  """The flags of `flamingo plan`."""
  parser = add_command(commands, 'plan', run_plan,
                       'say what a TPU slice would make of a run')
  parser.add_argument('--gin_file', action='append', required=True,
                      metavar='FILE', help='a configuration; may be repeated')
  parser.add_argument('--topology', required=True, metavar='CHIP:SHAPE',
                      help='for example v5e:16x16')
  parser.add_argument('--mesh', metavar='AXIS:N,...',
                      help="for example fsdp:16,model:4; the file's if not given")
  parser.add_argument('--search', action='store_true',
                      help='try meshes and remat policies, minutes each')
  parser.add_argument('--decode', action='store_true',
                      help='of inference at 32 shots instead of training')
  parser.add_argument('--json', action='store_true')


def add_parts(parser: Any) -> None:
  """Flags that make a prompt out of pictures, videos and texts in order."""
  for kind, value in (('image', 'FILE'), ('video', 'FILE'), ('text', 'TEXT')):
    parser.add_argument(f'--{kind}', action=AppendPart, dest='parts',
                        default=[], metavar=value)
  parser.add_argument('--prompt', default='', metavar='TEXT',
                      help='comes after everything else; may be empty')


class AppendPart(argparse.Action):
  """Collects --image, --video and --text in the order they were given."""

  def __call__(self, parser, namespace, values, option_string=None):
    kind = option_string.removeprefix('--')
    namespace.parts = [*namespace.parts, (kind, values)]


def add_model(parser: Any) -> None:
  """Which trained model a subcommand works with."""
  parser.add_argument('--model_dir', required=True, metavar='DIR')
  parser.add_argument('--step', type=int, metavar='N',
                      help='a saved step; the latest if not given')


def add_generate(commands: Any) -> None:
  """The flags of `flamingo generate`."""
  parser = add_command(commands, 'generate', run_generate,
                       'let a model continue pictures and text')
  add_model(parser)
  add_parts(parser)
  parser.add_argument('--max_new_tokens', type=int, default=64, metavar='N')
  parser.add_argument('--beams', type=int, default=1, metavar='N')
  parser.add_argument('--temperature', type=float, default=0.0, metavar='X',
                      help='0, the default, takes the likeliest token')
  parser.add_argument('--top_k', type=int, metavar='N')
  parser.add_argument('--top_p', type=float, metavar='X')
  parser.add_argument('--seed', type=int, default=0, metavar='S')


def add_score(commands: Any) -> None:
  """The flags of `flamingo score`."""
  parser = add_command(commands, 'score', run_score,
                       'rank candidate answers by their likelihood')
  add_model(parser)
  add_parts(parser)
  parser.add_argument('--candidate', action='append', required=True,
                      metavar='TEXT', help='repeat for each answer')


def add_explain(commands: Any) -> None:
  """The flags of `flamingo explain`."""
  parser = add_command(commands, 'explain', run_explain,
                       'show which image each token sees')
  add_parts(parser)
  parser.add_argument('--jsonl', metavar='FILE.jsonl')
  parser.add_argument('--line', type=int, default=1, metavar='N',
                      help='counted from 1')
  parser.add_argument('--vocabulary', metavar='FILE.model')
  parser.add_argument('--next_media', action='store_true',
                      help='tokens see the next image instead of the last')


def add_check(commands: Any) -> None:
  """The flags of `flamingo check`."""
  parser = add_command(commands, 'check', run_check, 'check a data set')
  parser.add_argument('path', metavar='FILE.jsonl')
  parser.add_argument('--html', metavar='OUT.html',
                      help='write a preview of 20 samples')
  parser.add_argument('--length', type=int, default=256, metavar='L',
                      help='tokens of a training example')
  parser.add_argument('--media', type=int, default=5, metavar='M',
                      help='images of a training example')
  parser.add_argument('--vocabulary', metavar='FILE.model')


def run_train(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Trains, or resumes a run that was stopped.

    flamingo train --gin_file=configs/own_data.gin --data=pairs.jsonl \\
        --model_dir=runs/own --steps=1000

  --gin.NAME=value sets any other macro or parameter.
  """
  macros = [
      f'--gin.{macro}={getattr(options, flag)!r}'
      for flag, macro in TRAIN_MACROS.items()
      if getattr(options, flag) is not None
  ]
  files = [f'--gin_file={name}' for name in options.gin_file]
  argv = sys.argv
  # Gin files call it `__main__`, as they do t5x's program.
  sys.argv = ['flamingo_jax.train', *files, *macros, *rest]
  try:
    runpy.run_module(
        'flamingo_jax.train', run_name='__main__', alter_sys=True)
  finally:
    sys.argv = argv


def run_plan(options: argparse.Namespace, rest: Sequence[str]) -> int:
  """Compiles a run's train step for a TPU slice that need not be here.

    flamingo plan --gin_file=configs/flamingo_9b.gin --topology=v5e:16x16

  Says whether it fits, and predicts the time of a step. Neither data, weights
  nor a vocabulary are needed. The exit status is 1 where it does not fit.
  """
  from flamingo_jax.planning import program

  return program.main(
      options.gin_file, [a.removeprefix('--gin.') for a in rest],
      topology=options.topology, mesh=options.mesh, search=options.search,
      decode=options.decode, json=options.json)


def run_generate(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Continues a prompt; the answer alone is the last line of the output.

    flamingo generate --model_dir=runs/own --image=a.jpg --prompt="Output:"

  A few-shot prompt repeats --image and --text before the query:

    flamingo generate --model_dir=runs/own \\
        --image=a.jpg --text="Output: a cat." --image=b.jpg --prompt="Output:"
  """
  from flamingo_jax import predictor

  model = predictor.load(options.model_dir, step=options.step)
  answer = model.generate(
      prompt_parts(options), max_new_tokens=options.max_new_tokens,
      beams=options.beams, temperature=options.temperature,
      top_k=options.top_k, top_p=options.top_p, seed=options.seed)
  print(' '.join(answer.split('\n')))


def run_score(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Prints the log-likelihood of each candidate, the likeliest first.

    flamingo score --model_dir=runs/own --image=a.jpg --prompt="Output:" \\
        --candidate="a cat" --candidate="a dog"
  """
  from flamingo_jax import predictor

  model = predictor.load(options.model_dir, step=options.step)
  scores = model.score(prompt_parts(options), options.candidate)
  for score, text in sorted(zip(scores.tolist(), options.candidate))[::-1]:
    print(f'{score:.4f}\t{text}')


def prompt_parts(options: argparse.Namespace) -> list[Any]:
  """The parts of a prompt, as the Python API takes them."""
  from flamingo_jax.data import documents

  make = {'image': documents.image, 'video': documents.video, 'text': str}
  parts = [make[kind](value) for kind, value in options.parts]
  if options.prompt:
    parts.append(options.prompt)
  if not parts:
    raise errors.UserError('the prompt is empty; give --image=FILE, '
                           '--video=FILE, --text=TEXT or --prompt=TEXT')
  return parts


def run_explain(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Prints each token of a document or prompt with the image it sees.

    flamingo explain --jsonl=pairs.jsonl --line=3
    flamingo explain --image=a.jpg --prompt="Output:"
  """
  from flamingo_jax.prepare import explain

  is_prompt = options.jsonl is None
  if is_prompt:
    parts = prompt_parts(options)
  else:
    parts = document_parts(options.jsonl, options.line)
  print(explain.explain(parts, load_vocabulary(options.vocabulary),
                        options.next_media, close=not is_prompt))


def document_parts(path: str, line: int) -> tuple[Any, ...]:
  """The parts of the document on a line of a JSONL file, counted from 1."""
  from flamingo_jax.data import documents

  for document in documents.JsonlDocuments(path):
    if document.example_id == line:
      return document.parts
  raise errors.UserError(f'{path} has no document on line {line}; name another '
                         'with --line=N')


def run_check(options: argparse.Namespace, rest: Sequence[str]) -> int:
  """Counts a data set, lists what is wrong with it and previews 20 samples.

    flamingo check pairs.jsonl --html=preview.html

  The exit status is 1 when there are problems.
  """
  from flamingo_jax.prepare import check

  report = check.check(
      options.path, vocabulary=load_vocabulary(options.vocabulary),
      length=options.length, max_media=options.media, out_html=options.html)
  print(report)
  return 1 if report.problems else 0


def load_vocabulary(path: str | None) -> Any:
  """The SentencePiece model at the path, or the one that comes along."""
  from flamingo_jax.data import vocabulary

  if path is None:
    return vocabulary.default_vocabulary()
  return vocabulary.Vocabulary(path)


def run_doctor(options: argparse.Namespace, rest: Sequence[str]) -> int:
  """Prints versions, devices and what is known not to work, with its remedy.

  The exit status is 1 when something is wrong.
  """
  from flamingo_jax import doctor

  return doctor.main()


if __name__ == '__main__':
  sys.exit(main())
