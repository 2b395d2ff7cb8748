# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo eval --benchmark, --list and --replay."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
import contextlib
import dataclasses
import json
import os
import re
from typing import Any

from flamingo_jax.commands import add_mesh, mesh_options
from flamingo_jax.errors import UserError

_LATENTS = 4096  # files whose latents are kept: a pool of 2048, and queries
_FLAGS = ('benchmark', 'list', 'replay')
# What a card or a gin file says instead, and the default of each.
_OF_BENCHMARK = {
    'prompts': None, 'shots': None, 'split': None, 'seeds': [0], 'orders': 1,
    'controls': None, 'rices': False, 'fixed_shots': False, 'ensemble': 1,
    'limit': None, 'allow_missing': False, 'endpoint': None, 'model': None,
}
_OF_REPLAY = {'batch_size': None, 'requests_per_minute': None}  # of both


def add_flags(parser: Any) -> None:
  """What is evaluated, and how its prompts are made."""
  parser.add_argument('--list', action='store_true',
                      help='list the benchmarks and the files they need')
  parser.add_argument('--replay', metavar='CARD.json',
                      help='repeat the evaluation that a card describes, and '
                      'compare the predictions')
  parser.add_argument('--benchmark', metavar='NAME',
                      help='a name from --list, or my.module:ROW for one of '
                      'your own')
  parser.add_argument('--data', metavar='DIR',
                      help='a folder with one folder per benchmark')
  parser.add_argument('--prompts', metavar='NAME',
                      help='another wording of the prompts: openflamingo, or '
                      'for VL-ICL Bench vl_icl_concise (a short description '
                      'of the task) or vl_icl_nothing (none)')
  parser.add_argument('--shots', type=numbers, default=None, metavar='N,...',
                      help="numbers of shots (default: the benchmark's own)")
  parser.add_argument('--split', metavar='NAME',
                      help="the split to score (default: the benchmark's own)")
  parser.add_argument('--seeds', type=numbers, default=[0], metavar='N,...',
                      help='seeds for choosing the shots (default: 0)')
  parser.add_argument('--orders', type=int, default=1, metavar='N',
                      help='score N orders of the shots, for an interval '
                      'over orders (default: 1)')
  parser.add_argument('--controls', default=None, metavar='NAME,...',
                      type=lambda text: text.split(','),
                      help='also score the model without what it should need: '
                      'no_pictures, text_only (no pictures in the shots), '
                      'shuffled_images, shuffled_labels')
  parser.add_argument('--rices', action='store_true',
                      help='choose the shots whose pictures are most like the '
                      "query's")
  parser.add_argument('--fixed_shots', action='store_true',
                      help='use the same shots for all queries, read once')
  parser.add_argument('--ensemble', type=int, default=1, metavar='N',
                      help='average log-likelihoods over N orders of the shots '
                      '(only where candidates are ranked)')
  parser.add_argument('--limit', type=int, metavar='N',
                      help='evaluate only N queries')
  add_sampling(parser, "the paper's 30, at 3 per second, or those of the gin "
               'file')
  parser.add_argument('--batch_size', type=int, metavar='N',
                      help='queries at once on each device (default: 8)')
  parser.add_argument('--allow_missing', action='store_true',
                      help='skip examples whose picture or video is missing')
  parser.add_argument('--endpoint', metavar='URL',
                      help='ask the model behind this OpenAI-style server, such '
                      'as http://127.0.0.1:8000/v1, instead of a local one; if '
                      'it needs a key, set OPENAI_API_KEY')
  parser.add_argument('--model', metavar='NAME',
                      help='the name of the model at the endpoint')
  parser.add_argument('--requests_per_minute', type=float, metavar='X',
                      help='ask the endpoint no faster than this')
  add_mesh(parser)


def add_sampling(parser: Any, default: str) -> None:
  """How videos are read.

  Args:
    parser: of a command.
    default: how many frames are read if --frames is not given.
  """
  parser.add_argument('--frames', type=int, metavar='N',
                      help=f'frames to read from a video (default: {default})')
  parser.add_argument('--fps', type=float, metavar='X',
                      help='frames to read per second; from a video longer '
                      'than frames / fps seconds, frames are spread evenly')


def numbers(text: str) -> list[int]:
  """'0,4' to [0, 4], for argparse."""
  return [int(number) for number in text.split(',')]


def is_asked(options: argparse.Namespace) -> bool:
  """Whether it is a benchmark and not a gin file.

  Raises:
    UserError: it is neither, or both; a flag would have no effect.
  """
  asked = [f'--{flag}' for flag in _FLAGS if getattr(options, flag)]
  asked += ['--gin_file'] * bool(options.gin_file)
  if len(asked) != 1 and asked != ['--benchmark', '--replay']:
    raise UserError(
        'eval needs one of --benchmark, --list, --replay and --gin_file'
        + (f', not {" and ".join(asked)}' if asked else '')
    )
  if asked != ['--benchmark']:
    unused = _OF_BENCHMARK | ({} if options.replay else _OF_REPLAY)
    for flag, default in unused.items():
      if getattr(options, flag) != default:
        raise UserError(f'--{flag} is for --benchmark: with {asked[-1]} leave '
                        'it out')
  return not options.gin_file


def run(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Lists, replays or evaluates."""
  if rest:
    raise UserError(
        f'{rest[0]} is for --gin_file: use the flags of --benchmark'
    )
  from flamingo_jax.evaluation import paper_benchmarks
  from flamingo_jax.evaluation import report

  if options.list:
    print(report.table_of_benchmarks(list(paper_benchmarks.BENCHMARKS.values())))
  elif options.replay:
    _replay(options)
  else:
    _evaluate(options)


def _evaluate(options: argparse.Namespace) -> None:
  from flamingo_jax import progress
  from flamingo_jax.data.buckets import as_folder
  from flamingo_jax.data.storage import write_atomically
  from flamingo_jax.evaluation import cards
  from flamingo_jax.evaluation import clips
  from flamingo_jax.evaluation import comparison
  from flamingo_jax.evaluation import paper_benchmarks
  from flamingo_jax.evaluation import plots
  from flamingo_jax.evaluation import report
  from flamingo_jax.evaluation.prompts import PAPER

  benchmark = paper_benchmarks.find(options.benchmark, options.prompts)
  if not options.data:
    raise UserError('--benchmark needs --data=DIR')
  all_settings = _settings(options, benchmark)
  answerer, model, output_dir = _asked(options, benchmark)
  with owned(output_dir, all_settings):
    if len(all_settings) > 1:  # all of them before the first is asked
      for settings in all_settings:
        cards.check(
            benchmark, options.data, settings, answerer, options.allow_missing
        )
    found = []
    for settings in all_settings:
      with progress.stage(settings.name, unit='queries') as stage:
        found.append(cards.evaluate(
            benchmark, options.data, settings, answerer, model, output_dir,
            allow_missing=options.allow_missing, progress=stage.reach,
            batch_size=cards.BATCH_SIZE if options.batch_size is None
            else options.batch_size, controls=_controlled(found, settings),
            keep=True,
        ))
      if before := found[-1]['time']['answered_before']:
        progress.say(f'{settings.name}: {before} of its answers are from before')
  whole = [card for card in found if not card['settings']['control']]
  rows = report.summarise(whole)
  print(report.table_of_scores(rows))
  for line in comparison.sentences(found, output_dir):
    print(line)
  for line in filter(None, map(clips.sentence, whole)):
    print(line)
  whose = benchmark.style.name
  name = benchmark.name + f'_{whose}' * (whose != PAPER.name)
  path = as_folder(output_dir) / f'{name}.json'
  if sentence := report.left_behind(path, rows):
    print(sentence)
  write_atomically(path, json.dumps(rows, indent=2) + '\n')
  if any(row['metric'] for row in rows):
    write_atomically(
        path.with_suffix('.png'), plots.draw([report.panel(rows)])
    )
  print(f'all scores: {path}')


def _settings(options: argparse.Namespace, benchmark: Any) -> list[Any]:
  """What is evaluated, in its order: what is compared before its whole.

  Raises:
    UserError: no number of shots is enough for a control, or for orders.
  """
  from flamingo_jax.evaluation import prompts
  from flamingo_jax.evaluation.fewshot import Settings

  controls = list(dict.fromkeys(options.controls or ()))
  numbers_of_shots = options.shots or benchmark.shots
  for control in controls:
    prompts.check_control(control, max(numbers_of_shots))
  if options.orders < 1 or options.orders > 1 and max(numbers_of_shots) < 2:
    raise UserError(
        f'--orders={options.orders} must be 1 or more, and more than 1 is for '
        'two or more shots'
    )
  return [
      Settings(
          benchmark=benchmark.name, split=options.split or benchmark.split,
          shots=shots, seed=seed, control=control, rices=options.rices,
          order=order, ensemble=options.ensemble,
          limit=options.limit, fixed_shots=options.fixed_shots,
          frames=options.frames, fps=options.fps,
          prompts=benchmark.style.name,
          beams=1 if options.endpoint else benchmark.beams,
      ).of(benchmark)
      for shots in numbers_of_shots for seed in options.seeds
      for order in range(options.orders if shots > 1 else 1)
      for control in (*prompts.controls_of(shots, controls), '')
  ]


def _controlled(
    found: Sequence[Mapping[str, Any]], settings: Any
) -> dict[str, dict[str, float]]:
  """Scores of what was found under controls, if these are the whole's settings."""
  if settings.control:
    return {}
  plain = dataclasses.asdict(settings)
  return {
      card['settings']['control']: {
          name: score['score'] for name, score in card['scores'].items()
      }
      for card in found if {**card['settings'], 'control': ''} == plain
  }


def _asked(
    options: argparse.Namespace, benchmark: Any
) -> tuple[Any, Mapping[str, Any], str]:
  """Who is asked, what a card says of it, and where the cards go."""
  from flamingo_jax.evaluation.output_dir import evaluation_dir
  from flamingo_jax.shipped import shipped_weights

  if not options.endpoint:
    for flag in ('model', 'requests_per_minute'):
      if getattr(options, flag) is not None:
        raise UserError(f'--{flag} is for an endpoint: give --endpoint too')
    model_dir = options.model_dir
    if model_dir is None:
      model_dir = shipped_weights()
    predictor, model = load(model_dir, **mesh_options(options))
    return predictor, model, options.out or evaluation_dir(model_dir)
  if not options.model:
    raise UserError('--endpoint needs --model, the name of the model there')
  if options.model_dir is not None:
    raise UserError('--model_dir names a model here, and --endpoint one '
                    'elsewhere: give only one of them')
  if options.rices:
    raise UserError(
        '--rices compares features of the vision encoder, which an endpoint '
        'does not reveal: leave it out'
    )
  endpoint = _endpoint(options, options.endpoint, options.model)
  folder = re.sub(r'[^\w.-]+', '_', options.model)
  return (
      endpoint, endpoint.describe(benchmark.is_close_ended),
      options.out or os.path.join('eval', folder),
  )


def _endpoint(options: argparse.Namespace, url: str, model: str) -> Any:
  from flamingo_jax.evaluation.endpoint import Endpoint
  from flamingo_jax.evaluation.endpoint_client import Client

  return Endpoint(Client(url, options.requests_per_minute), model)


def _replay(options: argparse.Namespace) -> None:
  """Evaluates what a card describes, beside it, and compares."""
  from flamingo_jax import progress
  from flamingo_jax.evaluation import cards, stored_cards
  from flamingo_jax.evaluation.fewshot import Settings

  old = stored_cards.read(options.replay)
  if options.frames is not None or options.fps is not None:
    raise UserError(
        '--replay reads videos as its card says: leave --frames and --fps out'
    )
  settings = Settings(**old['settings'])
  benchmark = _of_card(options, old, settings)
  if url := old['model'].get('endpoint'):
    answerer = _endpoint(options, url, old['model'].get('name'))
    model = answerer.describe(benchmark.is_close_ended)
  else:
    answerer, model = load(
        options.model_dir or old['model']['model_dir'], **mesh_options(options)
    )
  output_dir = options.out or os.path.join(
      os.path.dirname(os.path.abspath(options.replay)), 'replay'
  )
  with owned(output_dir, [settings]), progress.stage(
      settings.name, unit='queries'
  ) as stage:
    new = cards.evaluate(
        benchmark, options.data or old['data']['folder'], settings, answerer, model,
        output_dir, allow_missing=bool(old.get('missing')), progress=stage.reach,
        batch_size=old['decoding']['batch_size'] if options.batch_size is None
        else options.batch_size,
    )
  stored_cards.check_replay(old, new)
  for line in stored_cards.other_tokenizers(old, new):
    print(line)
  print(f'the predictions of {new["queries"]} queries are the same, byte for '
        'byte')


def _of_card(
    options: argparse.Namespace, card: Mapping[str, Any], settings: Any
) -> Any:
  """The benchmark of a card; one of your own has to be named, as it is code.

  Raises:
    UserError: it is another one than --benchmark names, or has changed.
  """
  from flamingo_jax.evaluation import paper_benchmarks

  code = card.get('code')
  if not code:
    if options.benchmark:
      raise UserError(f'--replay knows the benchmark from its card, which is '
                      f'{settings.benchmark}: leave --benchmark out')
    return paper_benchmarks.find(settings.benchmark, settings.prompts)
  if options.benchmark != code.get('named'):
    raise UserError(
        f'{options.replay} evaluates a benchmark of your own, whose code will run: '
        f'name it too, --benchmark={code.get("named")}'
    )
  benchmark = paper_benchmarks.find(options.benchmark, settings.prompts)
  now, then = benchmark.code['sources'], code.get('sources', {})
  changed = sorted(
      name for name in now | then if now.get(name) != then.get(name)
  )
  if changed:
    raise UserError(
        f'{", ".join(changed)} of --benchmark={options.benchmark} is not what '
        f'{options.replay} was made with: restore it, or evaluate again'
    )
  return benchmark


def load(model_dir: str, **mesh: Any) -> tuple[Any, Mapping[str, Any]]:
  """A predictor on all devices, and what a card says of its model."""
  import jax

  from flamingo_jax.predictor.loading import load as load_predictor
  from flamingo_jax.run_dir.steps import find_checkpoint

  folder, step = find_checkpoint(model_dir)
  predictor = load_predictor(
      folder, step, keep_latents=_LATENTS, cache_media=True,
      devices=jax.local_devices(), **mesh
  )
  return predictor, {
      'model_dir': os.path.abspath(model_dir), 'step': step,
      'sha256': predictor.sha256, 'vocabulary': predictor.vocabulary.sha256,
  }


@contextlib.contextmanager
def owned(output_dir: str, all_settings: Sequence[Any]) -> Iterator[None]:
  """Keeps others from the folders of these settings, from the first on.

  Raises:
    UserError: another process writes one of them.
  """
  from flamingo_jax.data import owner

  with contextlib.ExitStack() as stack:
    for name in dict.fromkeys(settings.name for settings in all_settings):
      stack.enter_context(owner.owned(os.path.join(output_dir, name)))
    yield
