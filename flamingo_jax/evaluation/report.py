# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of benchmarks and of their scores, and a plot of scores over shots."""

from collections.abc import Mapping, Sequence
import json
import math
from typing import Any

from etils import epath
import numpy as np

from flamingo_jax.evaluation import plots
from flamingo_jax.evaluation.benchmark import Benchmark
from flamingo_jax.evaluation.fewshot import prompts_of
from flamingo_jax.evaluation.prompts import CONTROLS, PAPER

_CONFIDENCE = 0.95
# What stands beside a score: what the shots alone would score, then the model's
# own score under each of `prompts.CONTROLS`.
BESIDE = {
    'majority': 'the answer that most shots have',
    'last': "the last shot's answer",
    'nearest': "the most similar shot's answer",
    'copied': '% of the answers that a shot also has',
    'shown': '% of the queries with a right answer in a shot',
    'no_pictures': 'the model, with no pictures',
    'text_only': 'the model, with no pictures in the shots',
    'shuffled_images': "the model, with the shots' pictures shuffled",
    'shuffled_labels': "the model, with the shots' answers shuffled",
}
ALONE = ('majority', 'last', 'nearest')  # scores of the shots


def summarise(cards: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """A row per number of shots and metric, over all seeds and orders.

  Args:
    cards: of the same settings but for shots, seed and order.

  Returns:
    Rows of prompts, shots, metric, score (the mean over seeds and orders), low
    and high (95 % over examples, mean over both), seeds, orders, seeds_low,
    seeds_high, orders_low and orders_high (95 % over either, None of one),
    queries, missing and beyond_context (those that count as wrong, of the card
    with the most), left_out (metrics that could not be computed, and why),
    tokenizer (of a metric that names it) and what of BESIDE the cards have, or
    None. 'metric' is None for splits without answers.
  """
  rows = []
  for shots in dict.fromkeys(card['settings']['shots'] for card in cards):
    same = [card for card in cards if card['settings']['shots'] == shots]
    common = {
        'benchmark': same[0]['benchmark'],
        'split': same[0]['settings']['split'],
        'prompts': prompts_of(same[0]), 'shots': shots,
        **{f'{axis}s': len({card['settings'][axis] for card in same})
           for axis in ('seed', 'order')},
        'queries': same[0]['queries'], 'missing': len(same[0]['missing']),
        'beyond_context': max(
            len(card['prompt']['beyond_context']) for card in same
        ),
        'left_out': same[0]['left_out'],
    }
    for name in same[0]['scores'] or [None]:
      found = [card['scores'][name] for card in same] if name else []
      rows.append(common | {
          'metric': name,
          'tokenizer': found[0].get('tokenizer') if found else None,
          **_score(found), **_intervals(same, name),
          **_beside([card['baselines'] for card in same], name),
      })
  return rows


def left_behind(
    path: epath.Path, rows: Sequence[Mapping[str, Any]]
) -> str:
  """A sentence on what a file of rows tells that these do not; '' if all."""
  if not path.exists():
    return ''
  told = {row['shots'] for row in json.loads(path.read_text())}
  lost = sorted(told - {row['shots'] for row in rows})
  if not lost:
    return ''
  return (
      f'{path.name} now leaves out {", ".join(map(str, lost))} shots of an earlier '
      f'command: flamingo report {path.parent} shows all its cards'
  )


def _beside(
    cards: Sequence[Mapping[str, Any]], metric: str | None
) -> dict[str, float | None]:
  """Means over cards; None of what one does not have."""
  found: dict[str, float | None] = {}
  for name in BESIDE:
    values = [card[name] for card in cards if name in card]
    values = [x[metric] if isinstance(x, Mapping) else x for x in values]
    is_whole = bool(values) and len(values) == len(cards)
    found[name] = float(np.mean(values)) if is_whole else None
  return found


def _score(scores: Sequence[Mapping[str, float]]) -> dict[str, float | None]:
  mean = lambda key: float(np.mean([score[key] for score in scores]))
  return {key: mean(key) if scores else None for key in ('score', 'low', 'high')}


def _intervals(
    cards: Sequence[Mapping[str, Any]], metric: str | None
) -> dict[str, float | None]:
  """95 % of the mean score, by Student's t: over seeds, and over orders.

  Over seeds by their means over orders; over orders by how these differ within
  a seed.
  """
  by_seed: dict[int, list[float]] = {}
  for card in cards if metric else ():
    scores = by_seed.setdefault(card['settings']['seed'], [])
    scores.append(card['scores'][metric]['score'])
  groups = list(by_seed.values())
  means = [float(np.mean(group)) for group in groups]
  halves = {
      'seeds': _half([np.subtract(means, np.mean(means))]) if means else None,
      'orders': _half([np.subtract(g, m) for g, m in zip(groups, means)]),
  }
  score = float(np.mean(means)) if means else 0.0
  return {
      f'{axis}_{end}': None if half is None else score + sign * half
      for axis, half in halves.items()
      for end, sign in (('low', -1), ('high', 1))
  }


def _half(deviations: Sequence[np.ndarray]) -> float | None:
  """Half an interval of the mean of all, from deviations within each group."""
  count = sum(map(len, deviations))
  free = count - len(deviations)
  if free < 1:
    return None
  import scipy.stats

  variance = float(np.sum(np.square(np.concatenate(deviations)))) / free
  t = scipy.stats.t.ppf((1 + _CONFIDENCE) / 2, df=free)
  return float(t) * math.sqrt(variance / count)


def table_of_scores(rows: Sequence[Mapping[str, Any]]) -> str:
  """The rows of `summarise`, for people."""
  several = [
      axis for axis in ('seeds', 'orders')
      if any(row[f'{axis}_low'] is not None for row in rows)
  ]
  cells = [(
      'benchmark', 'split', 'shots', 'metric', 'score', '95 % over examples',
      *(f'over {axis}' for axis in several), *several, 'queries', 'missing',
      'beyond context',
  )]
  for row in rows:
    score = '-' if row['score'] is None else f'{row["score"]:.2f}'
    cells.append((
        row['benchmark'], row['split'], str(row['shots']), row['metric'] or '-',
        score, _interval(row['low'], row['high']),
        *(_interval(row[f'{axis}_low'], row[f'{axis}_high'])
          for axis in several),
        *(str(row[axis]) for axis in several),
        str(row['queries']), str(row['missing']), str(row['beyond_context']),
    ))
  lines = [aligned(cells), *_table_of_baselines(rows)]
  if rows[0]['metric'] and all(row['no_pictures'] is None for row in rows):
    lines.append('whether pictures were needed: not tested '
                 '(--controls=no_pictures)')
  for row in rows:
    count, shots = row['beyond_context'], row['shots']
    if count:
      lines.append(
          f'{count} of {row["queries"]} queries with {shots} shots count as '
          "wrong: their prompts are longer than the model's context (the card "
          'names them)'
      )
  for row in rows:
    if row['tokenizer']:
      lines.append(f'{row["metric"]}: words of {row["tokenizer"]}')
    for name, reason in row['left_out'].items():
      lines.append(f'{name} is left out: {reason}')
  if rows[0]['prompts'] != PAPER.name:
    lines.append(f'prompts: those of {rows[0]["prompts"]}')
  if any(row['metric'] is None for row in rows):
    lines.append(
        f'no score: the files of the split {rows[0]["split"]!r} have no '
        "answers; the predictions are for the benchmark's server"
    )
  return '\n'.join(dict.fromkeys(lines))


def _table_of_baselines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
  """What would score without learning from pictures, beside the score."""
  names = beside(rows)
  if not names:
    return []
  cells = [('shots', 'metric', 'score', *names)]
  for row in rows:
    if any(row[name] is not None for name in names):
      cells.append((str(row['shots']), row['metric'], *(
          '-' if row[name] is None else f'{row[name]:.2f}'
          for name in ('score', *names)
      )))
  return [
      '', 'beside the score:', aligned(cells),
      *(f'{name}: {BESIDE[name]}' for name in names),
  ]


def beside(rows: Sequence[Mapping[str, Any]]) -> list[str]:
  """What of BESIDE some row has."""
  return [
      name for name in BESIDE if any(row[name] is not None for row in rows)
  ]


def _interval(low: float | None, high: float | None) -> str:
  return '-' if low is None else f'{low:.2f} to {high:.2f}'


def panel(rows: Sequence[Mapping[str, Any]]) -> plots.Panel:
  """Scores over shots with their 95 % intervals over examples.

  Dashed is what stands beside the first metric.
  """
  metrics = list(dict.fromkeys(row['metric'] for row in rows if row['metric']))
  whose = rows[0]['prompts']
  more = f', prompts of {whose}' if whose != PAPER.name else ''
  curves = {
      name: {
          row['shots']: (row['score'], row['low'], row['high'])
          for row in rows if row['metric'] == name
      }
      for name in metrics
  }
  compared = compared_curves(
      [row for row in rows if row['metric'] == metrics[0]],
      (*ALONE, *CONTROLS),
  )
  return plots.Panel(
      f'{rows[0]["benchmark"]} ({rows[0]["split"]}{more})', 'shots', 'score',
      curves | compared, dashed=list(compared),
  )


def compared_curves(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> dict[str, dict[int, plots.Point]]:
  """These of BESIDE, of rows of one metric, by the names that plots have."""
  return {
      name.replace('_', ' '): {
          row['shots']: (row[name], None, None)
          for row in rows if row[name] is not None
      }
      for name in beside(rows) if name in names
  }


def table_of_benchmarks(benchmarks: Sequence[Benchmark]) -> str:
  """A line per benchmark, then what its files are and where they go."""
  cells = [('name', 'benchmark', 'kind', 'metric', 'splits', 'shots')]
  for row in benchmarks:
    splits = [f'{s}*' if s == row.split else s for s in row.splits]
    cells.append((
        row.name, row.title,
        'close-ended' if row.is_close_ended else 'open-ended',
        row.metrics[0].name, ' '.join(splits),
        ' '.join(map(str, row.shots)),
    ))
  lines = [aligned(cells), '', '* what is scored if no split is named', '']
  for row in benchmarks:
    files = dict.fromkeys(f for names in row.splits.values() for f in names)
    lines += [
        f'DATA/{row.name}/ from {row.origin}', f'  {" ".join(files)}',
        f'  {row.media}',
    ]
  lines.append('my.module:ROW is a row of your own (docs/add_a_benchmark.md)')
  return '\n'.join(lines)


def aligned(cells: Sequence[Sequence[str]]) -> str:
  """Rows as lines, each column as wide as its longest cell."""
  widths = [max(map(len, column)) for column in zip(*cells)]
  return '\n'.join(
      '  '.join(c.ljust(w) for c, w in zip(row, widths)).rstrip()
      for row in cells
  )
