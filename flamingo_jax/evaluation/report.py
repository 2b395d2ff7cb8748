# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of benchmarks and of their scores, and a plot of scores over shots."""

from collections.abc import Mapping, Sequence
import math
from typing import Any

import numpy as np

from flamingo_jax.evaluation import plots
from flamingo_jax.evaluation.benchmark import Benchmark
from flamingo_jax.evaluation.fewshot import prompts_of
from flamingo_jax.evaluation.prompts import PAPER

_CONFIDENCE = 0.95


def summarise(cards: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """A row per number of shots and metric, over all seeds.

  Returns:
    Rows of prompts, shots, metric, score (the mean over seeds), low and high
    (95 % over examples, mean over seeds), seeds, seeds_low and seeds_high (95 % over
    seeds, None of one), queries, missing and beyond_context (those that count
    as wrong, of the seed with the most), left_out (metrics that could not be
    computed, and why), tokenizer (of a metric that names it) and majority, nearest, copied and
    shown (`baselines.score`; None without shots). 'metric' is None for splits
    without answers.
  """
  rows = []
  for shots in dict.fromkeys(card['settings']['shots'] for card in cards):
    same = [card for card in cards if card['settings']['shots'] == shots]
    common = {
        'benchmark': same[0]['benchmark'],
        'split': same[0]['settings']['split'],
        'prompts': prompts_of(same[0]), 'shots': shots,
        'seeds': len(same), 'queries': same[0]['queries'],
        'missing': len(same[0]['missing']),
        'beyond_context': max(
            len(card['prompt']['beyond_context']) for card in same
        ),
        'left_out': same[0].get('left_out', {}),
    }
    for name in same[0]['scores'] or [None]:
      found = [card['scores'][name] for card in same] if name else []
      rows.append(
          common | {
              'metric': name,
              'tokenizer': found[0].get('tokenizer') if found else None,
          } | _over_seeds(found)
          | _baselines([card.get('baselines', {}) for card in same], name)
      )
  return rows


def _baselines(
    cards: Sequence[Mapping[str, Any]], metric: str | None
) -> dict[str, float | None]:
  """Means over seeds; None of what a card does not have."""
  found: dict[str, float | None] = {}
  for name in ('majority', 'nearest', 'copied', 'shown'):
    values = [card[name] for card in cards if name in card]
    values = [x[metric] if isinstance(x, Mapping) else x for x in values]
    is_whole = bool(values) and len(values) == len(cards)
    found[name] = float(np.mean(values)) if is_whole else None
  return found


def _over_seeds(scores: Sequence[Mapping[str, float]]) -> dict[str, Any]:
  if not scores:
    return dict.fromkeys(('score', 'low', 'high', 'seeds_low', 'seeds_high'))
  mean = lambda key: float(np.mean([score[key] for score in scores]))
  result = {key: mean(key) for key in ('score', 'low', 'high')}
  half = None
  if len(scores) > 1:
    import scipy.stats

    t = scipy.stats.t.ppf((1 + _CONFIDENCE) / 2, df=len(scores) - 1)
    values = [score['score'] for score in scores]
    half = float(t * np.std(values, ddof=1)) / math.sqrt(len(values))
  return result | {
      'seeds_low': None if half is None else result['score'] - half,
      'seeds_high': None if half is None else result['score'] + half,
  }


def table_of_scores(rows: Sequence[Mapping[str, Any]]) -> str:
  """The rows of `summarise`, for people."""
  cells = [('benchmark', 'split', 'shots', 'metric', 'score', '95 % examples',
            '95 % seeds', 'seeds', 'queries', 'missing', 'beyond context')]
  for row in rows:
    score = '-' if row['score'] is None else f'{row["score"]:.2f}'
    cells.append((
        row['benchmark'], row['split'], str(row['shots']), row['metric'] or '-',
        score, _interval(row['low'], row['high']),
        _interval(row['seeds_low'], row['seeds_high']), str(row['seeds']),
        str(row['queries']), str(row['missing']), str(row['beyond_context']),
    ))
  lines = [aligned(cells), *_table_of_baselines(rows)]
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
  """What shots alone would score, beside the score."""
  rows = [row for row in rows if row['majority'] is not None]
  if not rows:
    return []
  names = ['score', 'majority', 'nearest', 'copied', 'shown']
  if all(row['nearest'] is None for row in rows):
    names.remove('nearest')
  cells = [('shots', 'metric', *names)]
  for row in rows:
    cells.append((str(row['shots']), row['metric'], *(
        '-' if row[name] is None else f'{row[name]:.2f}' for name in names
    )))
  told = {
      'majority': 'majority: the answer that most shots have',
      'nearest': 'nearest: the answer of the most similar shot',
      'copied': 'copied: % of the answers that a shot has too',
      'shown': 'shown: % of the queries whose right answer a shot has',
  }
  return [
      '', 'scores of the shots alone:', aligned(cells),
      '; '.join(told[name] for name in names[1:]),
  ]


def _interval(low: float | None, high: float | None) -> str:
  return '-' if low is None else f'{low:.2f} to {high:.2f}'


def panel(rows: Sequence[Mapping[str, Any]]) -> plots.Panel:
  """Scores over shots with their 95 % intervals over examples."""
  metrics = dict.fromkeys(row['metric'] for row in rows if row['metric'])
  whose = rows[0]['prompts']
  more = f', prompts of {whose}' if whose != PAPER.name else ''
  return plots.Panel(
      f'{rows[0]["benchmark"]} ({rows[0]["split"]}{more})', 'shots', 'score',
      {
          name: {
              row['shots']: (row['score'], row['low'], row['high'])
              for row in rows if row['metric'] == name
          }
          for name in metrics
      },
  )


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
