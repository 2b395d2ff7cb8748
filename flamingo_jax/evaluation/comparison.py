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

_NORMAL = 1.959964  # standard errors of a 95 % interval
# Of a row, as CSV and LaTeX have them.
COLUMNS = (
    'benchmark', 'split', 'setting', 'shots', 'metric', 'model', 'score', 'low',
    'high', *report.BESIDE, 'seeds', 'seeds_low', 'seeds_high', 'orders',
    'orders_low', 'orders_high', 'queries',
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
    """What of the settings is not the default, but for shots, seed and order."""
    return _setting(self.settings)

  @property
  def setting_but_control(self) -> str:
    """The same, without the control."""
    return _setting(dataclasses.replace(self.settings, control=''))


def _setting(settings: Settings) -> str:
  plain = dataclasses.replace(settings, seed=0, shots=0, order=0)
  start = f'{plain.benchmark}_{plain.split}_0shot'
  found = plain.name.removeprefix(start).removesuffix('_seed0').strip('_')
  return _words(found)


def find(paths: Sequence[str | os.PathLike]) -> list[Card]:
  """The cards of files, and all of folders; of copies and replays the first.

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
  cards: dict[Any, Card] = {}
  for path in dict.fromkeys(file.resolve() for file in files):
    content = stored_cards.read(path)
    card = Card(path, content, Settings(**content['settings']))
    made = content['predictions']['sha256'], json.dumps(content['scores'])
    # Counted twice, it would seem to be a draw of its own.
    cards.setdefault((card.model, card.settings, *made), card)
  return list(cards.values())


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
  shown = [name for name in COLUMNS if any(row[name] is not None for row in rows)]
  page = html_page.render(
      'comparison.html', title='Few-shot evaluation', count=len(cards),
      columns=shown, rows=[_cells(row, shown) for row in rows],
      legend={name: report.BESIDE[name] for name in report.beside(rows)},
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
    more = {'setting': setting, 'model': names[digest],
            'control': group[0].settings.control}
    rows += [row | more for row in report.summarise([c.content for c in group])]
  return sorted(rows, key=lambda row: (
      row['benchmark'], row['split'], row['setting'], row['metric'] or '',
      row['shots'], -(row['score'] or 0),
  ))


def curves(rows: Sequence[Mapping[str, Any]]) -> list[plots.Panel]:
  """A panel per benchmark, of its first metric: a curve per model and setting.

  Dashed are controls, and what shots alone would score.
  """
  panels = []
  for benchmark, split in dict.fromkeys(
      (row['benchmark'], row['split']) for row in rows
  ):
    of = [row for row in rows if (row['benchmark'], row['split']) == (
        benchmark, split) and row['metric']]
    if not of:
      continue
    of = [row for row in of if row['metric'] == of[0]['metric']]
    found, dashed = {}, []
    for row in of:
      name = ', '.join(filter(None, (row['model'], row['setting'])))
      dashed += [name] * bool(row['control'])
      found.setdefault(name, {})[row['shots']] = (
          row['score'], row['low'], row['high']
      )
    alone = report.compared_curves(
        [row for row in of if not row['setting']], report.ALONE
    )
    found = {
        name: dict(sorted(points.items()))
        for name, points in (found | alone).items()
    }
    panels.append(plots.Panel(
        f'{benchmark} ({split})', 'shots', of[0]['metric'], found,
        (*dashed, *alone),
    ))
  return panels


def differences(
    cards: Sequence[Card], names: Mapping[str, str]
) -> list[dict[str, Any]]:
  """How much better models are than another, query by query.

  The other is the model of the first card or, for each control, the same model
  under it. Of the first metric, where the score is a mean over queries; seeds
  and orders that both have are averaged, and the 95 % interval is over queries.
  """
  first = cards[0].model
  groups: dict[Any, dict[tuple[str, str], list[Card]]] = {}
  for card in cards:
    s = card.settings
    key = s.benchmark, s.split, card.setting_but_control, s.shots
    arms = groups.setdefault(key, {})
    arms.setdefault((card.model, s.control), []).append(card)
  found = []
  for (benchmark, split, setting, shots), arms in groups.items():
    for digest, control in arms:
      better, other = (digest, ''), (digest if control else first, control)
      if better == other or not {better, other} <= arms.keys():
        continue
      told = _difference(arms[other], arms[better])
      if told:
        than = ', '.join(filter(None, (names[other[0]], _words(control))))
        found.append(told | {
            'benchmark': benchmark, 'split': split, 'setting': setting,
            'shots': shots, 'model': names[digest], 'than': than,
            'control': control,
        })
  return found


def sentences(
    cards: Sequence[Mapping[str, Any]], output_dir: str | os.PathLike
) -> list[str]:
  """By how much one model is better than under controls, and how sure that is."""
  folder = pathlib.Path(output_dir)
  told = []
  for content in cards:
    settings = Settings(**content['settings'])
    path = folder / settings.name / 'card.json'
    told.append(Card(path, content, settings))
  return [
      f'{row["shots"]} shots: {row["difference"]} over {_words(row["control"])} '
      f'(95 % over queries: {row["interval"]})'
      for row in differences(told, name_models(told))
  ]


def _words(name: str) -> str:
  return name.replace('_', ' ')


def _difference(
    first: Sequence[Card], others: Sequence[Card]
) -> dict[str, Any] | None:
  draws = lambda cards: {
      (card.settings.seed, card.settings.order): card for card in cards
  }
  first, others = draws(first), draws(others)
  values = []
  for draw in first.keys() & others.keys():
    pair = [_values(cards[draw]) for cards in (first, others)]
    if None in pair or [x for x, _ in pair[0]] != [x for x, _ in pair[1]]:
      return None
    values.append(np.subtract(*([v for _, v in part] for part in pair[::-1])))
  if not values:
    return None
  mean = np.mean(values, axis=0)
  error = np.std(mean, ddof=1) / math.sqrt(len(mean)) if len(mean) > 1 else 0.0
  middle, half = float(mean.mean()), _NORMAL * float(error)
  return {'difference': f'{middle:+.2f}', 'cards': len(values),
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


def _cells(row: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
  """A row of the page."""
  told = []
  for name in columns:
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
