# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's ablations on the tiny model, run and put beside the paper's.

Each is a row of ablations/table.py. A run is OUT/<ablation>/seed_<seed>, a
MODEL_DIR.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import json
from typing import Any

from etils import epath

from flamingo_jax import progress
from flamingo_jax.ablations.table import (
    ABLATIONS,
    BASE,
    PAPER_OVERALL,
    RUNS,
    SOURCE,
    Ablation,
)
from flamingo_jax.data.buckets import as_folder
from flamingo_jax.data.owner import owned
from flamingo_jax.data.storage import write_atomically
from flamingo_jax.errors import UserError
from flamingo_jax.series import Flamingo, call_flamingo, check_made_from


@dataclasses.dataclass(frozen=True)
class Ablating:
  """All that runs have in common."""

  out: epath.Path  # the folder of the runs, the table and its JSON
  steps: int  # updates of the base
  examples: int  # of each task of the evaluation
  bindings: tuple[str, ...] = ()  # '--gin.NAME=value' for every training
  # Whether features of pictures are kept in OUT/media.
  cache_media: bool = False
  flamingo: Flamingo = call_flamingo  # runs the program

  def scores(self, name: str, seed: int) -> Mapping[str, Any]:
    """{task: {metric: score}} of a run, which is done if it is not yet."""
    ablation = RUNS[name]
    folder = self.out / name / f'seed_{seed}'
    steps = self.steps * ablation.gradients
    results = folder / f'eval_{self.examples}' / 'results.json'
    flags = [
        '--gin_file=configs/flamingo_tiny.gin', *ablation.flags,
        '--gin_file=configs/runs/falling_rate.gin',
        f'--steps={steps}', f'--seed={seed}', *self.bindings,
    ]
    check_made_from(folder, flags)
    if _step(results) != steps:
      if not (folder / f'checkpoint_{steps}').exists():
        self.flamingo([
            'train', *flags, f'--model_dir={folder}',
            *self._cache(ablation, seed), *self._tower(ablation),
        ])
      self.flamingo([
          'eval', '--gin_file=configs/eval_shapes.gin',
          f'--model_dir={folder}', f'--out={results.parent}',
          '--gin.MIXTURE_OR_TASK_NAME=tiny_eval_4shot',
          f'--gin.NUM_EXAMPLES={self.examples}',
      ])
    return json.loads(results.read_text(encoding='utf-8'))['scores']

  def _cache(self, ablation: Ablation, seed: int) -> list[str]:
    """Flags: most runs of a seed see the same pictures with one encoder."""
    own = ablation.tower or 'trains_vision_encoder' in ablation.overrides
    if not self.cache_media or own:
      return []
    return [f'--cache_media={self.out / "media" / f"seed_{seed}"}']

  def _tower(self, ablation: Ablation) -> list[str]:
    """Trains the vision encoder that an ablation needs, once for all seeds."""
    if not ablation.tower or any(
        b.startswith('--gin.VISION_ENCODER=') for b in self.bindings
    ):
      return []
    folder = self.out / 'towers' / ablation.tower
    flags = [
        '--gin_file=configs/contrastive_tiny.gin',
        f'--gin.VARIANT={ablation.tower}',
    ]
    check_made_from(folder, flags)
    if not (folder / 'finished').exists():
      self.flamingo(['train', *flags, f'--model_dir={folder}'])
      (folder / 'finished').touch()
    return [f'--gin.VISION_ENCODER={folder}']


def _step(results: epath.Path) -> int | None:
  """The step that was evaluated; None if none was."""
  if not results.exists():
    return None
  return json.loads(results.read_text(encoding='utf-8'))['step']


def overall(scores: Mapping[str, Mapping[str, float]]) -> float:
  """The mean accuracy, in percent, over the tasks that were evaluated."""
  return sum(values['top1'] for values in scores.values()) / len(scores)


def ablate(
    names: Sequence[str], seeds: Sequence[int], runs: Ablating
) -> list[dict[str, Any]]:
  """Runs the base and ablations; writes OUT/ablations.md and .json.

  Both are written again after each run, and what is finished is not run again.

  Returns:
    A row per ablation: its name, change, scores per seed, their mean, and the
    difference from the base, here and in the paper.

  Raises:
    UserError: an unknown name, a run that fails, or a folder of runs that were
      made from something else, or that another process writes.
  """
  for name in names:
    if name not in ABLATIONS:
      raise UserError(
          f'unknown ablation {name!r}: there are {", ".join(ABLATIONS)}'
      )
  folder = as_folder(runs.out)
  runs = dataclasses.replace(runs, out=folder)
  rows = []
  with owned(folder):
    for place, name in enumerate((BASE, *names), 1):
      scores = {}
      for seed in seeds:
        progress.say(f'{name}, seed {seed}: {place} of {len(names) + 1} runs')
        scores[seed] = runs.scores(name, seed)
      rows.append(_row(name, scores, rows[0] if rows else None))
      record = {
          'steps': runs.steps, 'examples': runs.examples, 'rows': rows,
          'source of paper': SOURCE,
      }
      write_atomically(
          folder / 'ablations.json', json.dumps(record, indent=2) + '\n'
      )
      write_atomically(folder / 'ablations.md', as_markdown(rows))
  return rows


def _row(
    name: str, scores: Mapping[int, Any], base: Mapping[str, Any] | None
) -> dict[str, Any]:
  ablation = RUNS[name]
  each = {str(seed): overall(found) for seed, found in scores.items()}
  mean = sum(each.values()) / len(each)
  return {
      'name': name,
      'change': ablation.change,
      'overall': mean,
      'overall of seeds': each,
      'difference': mean - base['overall'] if base else 0.0,
      'paper': ablation.paper,
      'paper difference': (
          None if ablation.paper is None
          else round(ablation.paper - ablation.paper_base, 1)
      ),
      'scores of seeds': {str(seed): found for seed, found in scores.items()},
  }


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
  """Our differences beside the paper's."""
  lines = [
      '| run | change | overall | seeds | minus base | in the paper |',
      '|---|---|---|---|---|---|',
  ]
  for row in rows:
    paper = row['paper difference']
    each = ', '.join(f'{x:.1f}' for x in row['overall of seeds'].values())
    lines.append(
        f'| `{row["name"]}` | {row["change"]} | {row["overall"]:.1f} | {each} '
        f'| {row["difference"]:+.1f} | '
        f'{"-" if paper is None else f"{paper:+.1f}"} |'
    )
  return '\n'.join([
      *lines, '',
      'Overall: mean accuracy over the tasks of 4 shots, in percent; of the '
      f'paper: {SOURCE}, whose base has {PAPER_OVERALL}.', '',
  ])
