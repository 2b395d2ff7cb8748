# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Many cards side by side: a page, CSV and LaTeX (`flamingo report`)."""

from collections.abc import Callable, Mapping, Sequence
import csv
import dataclasses
import io
import json
import math
import os
import pathlib
import urllib.parse
from typing import Any

import numpy as np

from flamingo_jax import html_page
from flamingo_jax import opening
from flamingo_jax.data.storage import write_atomically
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import plots
from flamingo_jax.evaluation import report
from flamingo_jax.evaluation import stored_cards
from flamingo_jax.evaluation.fewshot import Settings

_ALONE = 'majority of the shots'  # the curve of no model
_NORMAL = 1.959964  # standard errors of a 95 % interval
# Of a row, as CSV and LaTeX have them.
COLUMNS = (
    'benchmark', 'split', 'setting', 'shots', 'metric', 'model', 'score', 'low',
    'high', 'majority', 'nearest', 'copied', 'seeds', 'queries',
)


@dataclasses.dataclass(frozen=True)
class Card:
  """A card, and where it is from."""

  path: pathlib.Path
  content: Mapping[str, Any]
  settings: Settings

  @property
  def model(self) -> str:
    """What tells its model from others."""
    return str(self.content['model'].get('sha256'))

  @property
  def setting(self) -> str:
    """What of the settings is not the default, but for shots and seed."""
    plain = dataclasses.replace(self.settings, seed=0, shots=0)
    start = f'{plain.benchmark}_{plain.split}_0shot'
    found = plain.name.removeprefix(start).removesuffix('_seed0').strip('_')
    return found.replace('_', ' ')


def find(paths: Sequence[str | os.PathLike]) -> list[Card]:
  """The cards of files, and all of folders.

  Raises:
    UserError: there is none, or one is damaged.
  """
  files = []
  for path in map(pathlib.Path, paths):
    found = sorted(path.rglob('card.json')) if path.is_dir() else [path]
    if not found:
      raise UserError(f'{path} has no card.json in it: give the folder of an '
                      'evaluation')
    files += found
  cards = []
  for path in dict.fromkeys(file.resolve() for file in files):
    content = stored_cards.read(path)
    cards.append(Card(path, content, Settings(**content['settings'])))
  return cards


def write(cards: Sequence[Card], out: str | os.PathLike) -> list[pathlib.Path]:
  """Writes OUT, an HTML page, and the same table as CSV and LaTeX beside it.

  Args:
    cards: in the order in which models are shown; others are compared with the
      model of the first.
    out: its name ends with .html.

  Returns:
    The three paths.

  Raises:
    UserError: the name ends otherwise.
  """
  out = pathlib.Path(out)
  if out.suffix != '.html':
    raise UserError(f'{out} is a page and must end with .html')
  names = name_models(cards)
  rows = table(cards, names)
  panels = curves(rows)
  page = html_page.render(
      'comparison.html', title='Few-shot evaluation', count=len(cards),
      columns=COLUMNS, rows=[_cells(row) for row in rows],
      plot=html_page.data_uri(plots.draw(panels), 'png') if panels else '',
      differences=differences(cards, names), links=_links(cards, names, out),
  )
  paths = [out, out.with_suffix('.csv'), out.with_suffix('.tex')]
  for path, text in zip(paths, (page, as_csv(rows), as_latex(rows))):
    write_atomically(path, text)
  return paths


def name_models(cards: Sequence[Card]) -> dict[str, str]:
  """Names by 'sha256': short, and none twice."""
  names: dict[str, str] = {}
  for card in cards:
    model = card.content['model']
    digest = card.model
    name = model.get('name') or pathlib.Path(model['model_dir'] or '?').name
    if digest not in names and name in names.values():
      name = f'{name} ({digest[:8]})'
    names.setdefault(digest, name)
  return names


def table(
    cards: Sequence[Card], names: Mapping[str, str]
) -> list[dict[str, Any]]:
  """A row per model, setting, shots and metric; the best first."""
  groups: dict[Any, list[Card]] = {}
  for card in cards:
    key = (
        card.settings.benchmark, card.settings.split, card.setting,
        card.model,
    )
    groups.setdefault(key, []).append(card)
  rows = []
  for (_, _, setting, digest), group in groups.items():
    for row in report.summarise([card.content for card in group]):
      rows.append(row | {'setting': setting, 'model': names[digest]})
  return sorted(rows, key=lambda row: (
      row['benchmark'], row['split'], row['setting'], row['metric'] or '',
      row['shots'], -(row['score'] or 0),
  ))


def curves(rows: Sequence[Mapping[str, Any]]) -> list[plots.Panel]:
  """A panel per benchmark, of its first metric: a curve per model and setting."""
  panels = []
  for benchmark, split in dict.fromkeys(
      (row['benchmark'], row['split']) for row in rows
  ):
    of = [row for row in rows if (row['benchmark'], row['split']) == (
        benchmark, split) and row['metric']]
    if not of:
      continue
    metric, found, dashed = of[0]['metric'], {}, []
    for row in of:
      if row['metric'] != metric:
        continue
      name = ', '.join(filter(None, (row['model'], row['setting'])))
      if 'shuffled' in row['setting'] or 'text only' in row['setting']:
        dashed.append(name)
      found.setdefault(name, {})[row['shots']] = (
          row['score'], row['low'], row['high']
      )
      if row['majority'] is not None and not row['setting']:
        found.setdefault(_ALONE, {})[row['shots']] = (row['majority'], None, None)
    found = {name: dict(sorted(points.items())) for name, points in found.items()}
    panels.append(plots.Panel(
        f'{benchmark} ({split})', 'shots', metric, found, (*dashed, _ALONE)
    ))
  return panels


def differences(
    cards: Sequence[Card], names: Mapping[str, str]
) -> list[dict[str, Any]]:
  """How much better than the first card's model, query by query.

  Of the first metric, where the score is a mean over queries; seeds that both
  have are averaged, and the 95 % interval is over queries.
  """
  first = cards[0].model
  groups: dict[Any, dict[str, list[Card]]] = {}
  for card in cards:
    s = card.settings
    key = s.benchmark, s.split, card.setting, s.shots
    models = groups.setdefault(key, {})
    models.setdefault(card.model, []).append(card)
  found = []
  for (benchmark, split, setting, shots), models in groups.items():
    for digest, group in models.items():
      if digest == first or first not in models:
        continue
      told = _difference(models[first], group)
      if told:
        found.append(told | {
            'benchmark': benchmark, 'split': split, 'setting': setting,
            'shots': shots, 'model': names[digest], 'than': names[first],
        })
  return found


def _difference(
    first: Sequence[Card], others: Sequence[Card]
) -> dict[str, Any] | None:
  by_seed = lambda cards: {card.settings.seed: card for card in cards}
  first, others = by_seed(first), by_seed(others)
  values = []
  for seed in first.keys() & others.keys():
    pair = [_values(cards[seed]) for cards in (first, others)]
    if None in pair or [x for x, _ in pair[0]] != [x for x, _ in pair[1]]:
      return None
    values.append(np.subtract(*([v for _, v in part] for part in pair[::-1])))
  if not values:
    return None
  mean = np.mean(values, axis=0)
  error = np.std(mean, ddof=1) / math.sqrt(len(mean)) if len(mean) > 1 else 0.0
  middle, half = float(mean.mean()), _NORMAL * float(error)
  return {'difference': f'{middle:+.2f}', 'seeds': len(values),
          'interval': f'{middle - half:+.2f} to {middle + half:+.2f}',
          'is_clear': abs(middle) > half}


def _values(card: Card) -> list[tuple[str, float]] | None:
  """(query, value) in the unit of the score; None where it is no mean."""
  path = card.path.parent / 'examples.jsonl'
  if not card.content['scores'] or not path.is_file():
    return None
  with opening.open_file(path, 'r', encoding='utf-8') as file:
    lines = [json.loads(line) for line in file]
  values = [line['value'] for line in lines]
  if not values or not all(isinstance(x, (int, float)) for x in values):
    return None
  score = next(iter(card.content['scores'].values()))['score']
  mean = float(np.mean(values))
  for scale in (100, 1):
    if math.isclose(scale * mean, score, rel_tol=1e-6, abs_tol=1e-6):
      return [(line['source'], scale * line['value']) for line in lines]
  return None


def _cells(row: Mapping[str, Any]) -> list[str]:
  """A row of the page."""
  told = []
  for name in COLUMNS:
    value = row[name]
    if value is None or value == '':
      told.append('–')
    else:
      told.append(f'{value:.2f}' if isinstance(value, float) else str(value))
  return told


def _links(
    cards: Sequence[Card], names: Mapping[str, str], out: pathlib.Path
) -> list[dict[str, str]]:
  """Where each card's queries are, as seen from the page."""
  found = []
  for card in cards:
    folder = os.path.relpath(card.path.parent, out.resolve().parent)
    found.append({
        'name': f'{names[card.model]}: {card.settings.name}',
        **{file: urllib.parse.quote(pathlib.PurePath(folder, file).as_posix())
           for file in ('examples.html', 'card.json')},
    })
  return found


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
  """With all digits, and nothing where there is no value."""
  file = io.StringIO()
  writer = csv.writer(file, lineterminator='\n')
  writer.writerow(COLUMNS)
  writer.writerows([row[name] for name in COLUMNS] for row in rows)
  return file.getvalue()


def as_latex(rows: Sequence[Mapping[str, Any]]) -> str:
  """A table of models by benchmark and shots, with the half of each interval."""
  columns = list(dict.fromkeys(
      (row['benchmark'], row['setting'], row['metric'], row['shots'])
      for row in rows if row['metric']
  ))
  models = list(dict.fromkeys(row['model'] for row in rows))
  cell = {
      (row['model'], row['benchmark'], row['setting'], row['metric'],
       row['shots']): f'{row["score"]:.1f} $\\pm$ '
      f'{(row["high"] - row["low"]) / 2:.1f}'
      for row in rows if row['metric']
  }
  line = lambda cells: ' & '.join(cells) + r' \\'
  heads: tuple[tuple[str, Callable[[Any], str]], ...] = (
      ('benchmark', lambda c: ' '.join(filter(None, c[:2]))),
      ('metric', lambda c: c[2]), ('shots', lambda c: str(c[3])),
  )
  return '\n'.join([
      r'\begin{tabular}{l' + 'r' * len(columns) + '}', r'\hline',
      *(line([title, *(_latex(of(c)) for c in columns)]) for title, of in heads),
      r'\hline',
      *(line([_latex(model), *(cell.get((model, *c), '--') for c in columns)])
        for model in models),
      r'\hline', r'\end{tabular}', '',
  ])


def _latex(text: str) -> str:
  escaped = {
      '\\': r'\textbackslash{}', '~': r'\textasciitilde{}',
      '^': r'\textasciicircum{}', **{c: f'\\{c}' for c in '&%$#_{}'},
  }
  return ''.join(escaped.get(c, c) for c in text)
