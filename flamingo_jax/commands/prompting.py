# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo generate, score and explain: one prompt on the command line."""

import argparse
from collections.abc import Sequence
from typing import Any

from flamingo_jax import errors
from flamingo_jax.commands import add_command, add_mesh, mesh_options, seed
from flamingo_jax.commands import evaluating

# The second is a prompt of one shot.
_GENERATE = (
    'flamingo generate --model_dir=runs/own --image=a.jpg --prompt="Output:"',
    'flamingo generate --model_dir=runs/own --image=a.jpg \\\n'
    '      --text="Output: a cat." --image=b.jpg --prompt="Output:"',
)
_SCORE = (
    'flamingo score --model_dir=runs/own --image=a.jpg --prompt="Output:" \\\n'
    '      --candidate="a cat" --candidate="a dog"'
)


def add_parts(parser: Any) -> None:
  """Flags that make a prompt out of media and texts in order."""
  for kind, value, meaning in (
      ('image', 'FILE', 'a picture'), ('video', 'FILE', 'a video'),
      ('features', 'FILE.npy', 'an array, for a model of features'),
      ('text', 'TEXT', 'a text'),
  ):
    parser.add_argument(f'--{kind}', action=AppendPart, dest='parts',
                        default=[], metavar=value,
                        help=f'{meaning}; may be repeated, the order counts')
  parser.add_argument('--prompt', default='', metavar='TEXT',
                      help='a text that comes last, after all other parts')


class AppendPart(argparse.Action):
  """Collects parts in the order they were given."""

  def __call__(self, parser, namespace, values, option_string=None):
    kind = option_string.removeprefix('--')
    namespace.parts = [*namespace.parts, (kind, values)]


def add_model(parser: Any) -> None:
  """Which trained model a subcommand works with."""
  parser.add_argument('--model_dir', metavar='DIR',
                      help='a folder that flamingo train or convert wrote '
                      '(default: flamingo_tiny, which comes with the package)')
  add_step(parser)
  evaluating.add_sampling(parser, 'as many as in training')
  add_mesh(parser)


def add_step(parser: Any) -> None:
  """Which checkpoint of a model."""
  parser.add_argument('--step', metavar='N',
                      type=lambda text: text if text == 'best' else int(text),
                      help="a saved step, or 'best', the one with the best "
                      'score on validation data (default: the latest)')


def add_generate(commands: Any) -> None:
  """The flags of `flamingo generate`."""
  parser = add_command(commands, 'generate', run_generate,
                       'answer a prompt of pictures and texts', *_GENERATE)
  add_model(parser)
  add_parts(parser)
  add_draws(parser)
  parser.add_argument('--beams', type=int, default=1, metavar='N',
                      help='beams of a beam search (default: 1, no search)')


def add_draws(parser: Any) -> None:
  """How long answers are, and how their tokens are chosen."""
  parser.add_argument('--max_new_tokens', type=int, default=64, metavar='N',
                      help='longest answer, in tokens (default: 64)')
  parser.add_argument('--temperature', type=float, default=0.0, metavar='X',
                      help='sampling temperature (default: 0, always the '
                      'likeliest token)')
  parser.add_argument('--top_k', type=int, metavar='N',
                      help='sample from the N likeliest tokens only')
  parser.add_argument('--top_p', type=float, metavar='X',
                      help='sample from the likeliest tokens that together '
                      'have probability X')
  parser.add_argument('--seed', type=seed, default=0, metavar='S',
                      help='seed for sampling (default: 0)')


def add_score(commands: Any) -> None:
  """The flags of `flamingo score`."""
  parser = add_command(commands, 'score', run_score,
                       'rank candidate answers by their likelihood', _SCORE)
  add_model(parser)
  add_parts(parser)
  parser.add_argument('--candidate', action='append', required=True,
                      metavar='TEXT', help='a possible answer; repeat for each')


def add_explain(commands: Any) -> None:
  """The flags of `flamingo explain`."""
  parser = add_command(commands, 'explain', run_explain,
                       'show which image each token sees',
                       'flamingo explain --jsonl=pairs.jsonl --line=2',
                       'flamingo explain --image=a.jpg --prompt="Output:"')
  add_parts(parser)
  parser.add_argument('--jsonl', metavar='FILE.jsonl',
                      help='explain a document of this file')
  parser.add_argument('--line', type=int, default=1, metavar='N',
                      help='which line of --jsonl, counted from 1 (default: 1)')
  add_vocabulary(parser)
  parser.add_argument('--next_media', action='store_true',
                      help='let tokens see the next image, not the last one')


def run_generate(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Answers a prompt; the answer alone is the last line of the output.

  For a few-shot prompt, repeat --image and --text before the query.
  """
  model = load_model(options)
  answer = model.generate(
      prompt_parts(options), beams=options.beams, **draws(options))
  print(' '.join(answer.split('\n')))


def run_score(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Prints the log-likelihood of each candidate, the likeliest first."""
  model = load_model(options)
  scores = model.score(prompt_parts(options), options.candidate)
  for score, text in sorted(zip(scores.tolist(), options.candidate))[::-1]:
    print(f'{score:.4f}\t{text}')


def load_model(options: argparse.Namespace, keep_latents: int = 0) -> Any:
  """The Predictor that `add_model`'s flags ask for."""
  from flamingo_jax import predictor

  return predictor.load(
      options.model_dir, step=options.step, frames=options.frames,
      fps=options.fps, keep_latents=keep_latents, **mesh_options(options),
  )


def draws(options: argparse.Namespace) -> dict[str, Any]:
  """What `generate` is told of `add_draws`'s flags."""
  names = ('max_new_tokens', 'temperature', 'top_k', 'top_p', 'seed')
  return {name: getattr(options, name) for name in names}


def parts_of(options: argparse.Namespace) -> list[Any]:
  """What --image, --text and so on name, as the Python API takes it."""
  from flamingo_jax.data import documents

  make = {'image': documents.image, 'video': documents.video,
          'features': documents.features, 'text': str}
  return [make[kind](value) for kind, value in options.parts]


def prompt_parts(options: argparse.Namespace) -> list[Any]:
  """The parts of a prompt, --prompt behind the others."""
  parts = parts_of(options)
  if options.prompt:
    parts.append(options.prompt)
  if not parts:
    raise errors.UserError('the prompt is empty; give --image=FILE, '
                           '--video=FILE, --text=TEXT or --prompt=TEXT')
  return parts


def run_explain(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Prints each token of a prompt or document, with the image it sees."""
  from flamingo_jax.prepare import explain

  is_prompt = options.jsonl is None
  if is_prompt:
    parts = prompt_parts(options)
  else:
    parts = document_parts(options.jsonl, options.line)
  print(explain.explain(parts, load_vocabulary(options),
                        options.next_media, close=not is_prompt))


def document_parts(path: str, line: int) -> tuple[Any, ...]:
  """The parts of the document on a line of a JSONL file, counted from 1."""
  from flamingo_jax.data import documents

  found = documents.read_line(path, line)
  if found is None:
    raise errors.UserError(f'{path} has no document on line {line}; name '
                           'another with --line=N')
  return found.checked(path).parts


def add_vocabulary(parser: argparse.ArgumentParser) -> None:
  """The flags that say whose tokens texts become."""
  whose = parser.add_mutually_exclusive_group()
  whose.add_argument('--vocabulary', metavar='FILE.model',
                     help='split text into tokens by this vocabulary')
  whose.add_argument('--model_dir', metavar='DIR',
                     help="split text into tokens by this model's vocabulary")


def load_vocabulary(options: argparse.Namespace) -> Any:
  """The one that `add_vocabulary`'s flags name, or that comes along."""
  from flamingo_jax.data import vocabulary
  from flamingo_jax.run_dir import model_json

  if options.model_dir is not None:
    return model_json.stored_vocabulary(options.model_dir)
  if options.vocabulary is None:
    return vocabulary.default_vocabulary()
  return vocabulary.Vocabulary(options.vocabulary)
