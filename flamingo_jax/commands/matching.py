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
                       'score a contrastive run: retrieval, zero-shot classes',
                       *_EXAMPLES)
  parser.add_argument('--model_dir', required=True, metavar='DIR')
  parser.add_argument('--module', default='flamingo_jax.tasks.shapes',
                      metavar='MODULE',
                      help='registers the task when it is imported')
  parser.add_argument('--task', default='shapes_pairs', metavar='NAME',
                      help='of pictures with a text each')
  parser.add_argument('--benchmark', metavar='NAME',
                      help='coco, flickr30k, imagenet or kinetics700, in '
                      'place of a task')
  parser.add_argument('--data', metavar='DIR',
                      help='has a folder for each benchmark')
  parser.add_argument('--split', metavar='NAME',
                      help='validation, or that of the benchmark in the paper')
  add_sampling(parser, "the paper's 30 at 3 FPS if not given")
  parser.add_argument('--examples', type=int, default=1000, metavar='N')
  parser.add_argument('--classes', default='', metavar='A,B,...',
                      help='names to tell apart, in texts with one of them')
  parser.add_argument('--template', action='append', metavar='TEXT',
                      help='a prompt with {} for the name; may be repeated')


def run_match(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Prints R@1, R@5 and R@10 both ways, and zero-shot accuracy, as JSON."""
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
        'tasks of pairs show pictures, and frames and fps are of videos: leave '
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
