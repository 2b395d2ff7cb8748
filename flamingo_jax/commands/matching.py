# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo match: what the towers of a contrastive run know."""

import argparse
from collections.abc import Sequence
import json
from typing import Any

from flamingo_jax import own_code
from flamingo_jax.commands import add_command
from flamingo_jax.commands.evaluating import add_sampling
from flamingo_jax.errors import UserError

_EXAMPLES = (
    'flamingo match --model_dir=runs/vision --classes=red,green,blue \\\n'
    '      --template="a {} shape"',
    'flamingo match --model_dir=runs/vision --benchmark=coco --data=DATA',
)


def add_match(commands: Any) -> None:
  """The flags of `flamingo match`."""
  parser = add_command(commands, 'match', run_match,
                       'score a contrastive model: retrieval and zero-shot '
                       'classification', *_EXAMPLES)
  parser.add_argument('--model_dir', required=True, metavar='DIR',
                      help='the folder of a contrastive run')
  parser.add_argument('--module', default='flamingo_jax.tasks.shapes',
                      metavar='MODULE',
                      help='the Python module that registers --task (default: '
                      'flamingo_jax.tasks.shapes)')
  parser.add_argument('--task', default='shapes_pairs', metavar='NAME',
                      help='a task of pictures with a caption each (default: '
                      'shapes_pairs)')
  parser.add_argument('--benchmark', metavar='NAME',
                      help='coco, flickr30k, imagenet or kinetics700, instead '
                      'of a task')
  parser.add_argument('--data', metavar='DIR',
                      help='a folder with one folder per benchmark')
  parser.add_argument('--split', metavar='NAME',
                      help='the split to score (default: validation, or the '
                      'one that the paper scores)')
  add_sampling(parser, "the paper's 30, at 3 per second")
  parser.add_argument('--examples', type=int, default=1000, metavar='N',
                      help='how many examples of the task (default: 1000)')
  parser.add_argument('--classes', default='', metavar='A,B,...',
                      help='class names; examples whose text has exactly one '
                      'of them are classified')
  parser.add_argument('--template', action='append', metavar='TEXT',
                      help='a caption with {} for the class name; may be '
                      'repeated')


def run_match(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Prints retrieval and zero-shot accuracy as JSON.

  Retrieval is R@1, R@5 and R@10, from picture to text and from text to picture.
  """
  from flamingo_jax.data import quiet_tensorflow

  quiet_tensorflow.load()
  from flamingo_jax.evaluation import retrieval

  templates = options.template or retrieval.TEMPLATES
  if options.benchmark:
    if not options.data:
      raise UserError('--benchmark needs --data=DIR')
    print(json.dumps(retrieval.evaluate_benchmark(
        options.model_dir, options.benchmark, options.data, options.split,
        templates, options.frames, options.fps,
    )))
    return
  if options.frames is not None or options.fps is not None:
    raise UserError(
        'tasks of pairs show pictures, and frames and fps are for videos: leave '
        '--frames and --fps out, or name a --benchmark of videos'
    )
  try:
    own_code.import_module(options.module)
  except ModuleNotFoundError as error:
    raise UserError(
        f'--module={options.module} cannot be imported ({error}): run it from '
        'the folder that has it'
    ) from error
  scores = retrieval.evaluate(
      options.model_dir, options.task, options.split or 'validation',
      options.examples,
      [name.strip() for name in options.classes.split(',') if name.strip()],
      templates,
  )
  print(json.dumps(scores))
