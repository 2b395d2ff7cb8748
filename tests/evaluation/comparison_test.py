# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""`flamingo report`: many cards on one page."""

import csv
import json
import re
import shutil

import pytest

from flamingo_jax import cli
from flamingo_jax.evaluation import comparison
from tests import command_examples
from tests.evaluation.answerers import Oracle, Silent, evaluate, results

METRIC = 'vqa_accuracy'


class Other(Silent):
  """Answers half of the queries."""

  def generate(self, asked, *, prefix, **options):
    del options
    found = [self.query(prefix, prompt) for prompt in asked]
    return [q.answers[0] if q.example_id % 2 else '' for q in found]


@pytest.fixture(scope='module')
def cards(data, tmp_path_factory):
  """A folder of cards: two models with 2 and 4 shots, one of another kind."""
  folder = tmp_path_factory.mktemp('cards')
  for name, model in (('right', Oracle), ('<b>half_&', Other)):
    for more in ({'shots': 2}, {'shots': 4}, {
        'shots': 2, 'control': 'shuffled_labels'}):
      card, _ = evaluate(data, folder / name, model=model, **more)
      path = results(folder / name, card) / 'card.json'
      card['model'] = {'model_dir': f'runs/{name}', 'sha256': name}
      path.write_text(json.dumps(card))
  return folder


def test_models_stand_side_by_side(cards, tmp_path, capsys):
  out = tmp_path / 'report.html'
  assert cli.main(command_examples.arguments('report', 0, {
      'runs/shapes/eval': cards / 'right', 'report.html': out,
  }) + [str(cards / '<b>half_&')]) == 0
  assert capsys.readouterr().out.split() == [
      str(out.with_suffix(end)) for end in ('.html', '.csv', '.tex')
  ]
  page = out.read_text()
  assert '<b>half' not in page and '&lt;b&gt;half_&amp;' in page
  assert '6 cards' in page and 'data:image/png' in page
  # Each query is a click away, also where a name has unusual characters.
  links = re.findall(r'href="([^"]*examples.html)"', page)
  assert len(links) == 6 and any('%3Cb%3E' in link for link in links)
  with open(out.with_suffix('.csv')) as file:
    rows = [r for r in csv.DictReader(file) if r['metric'] == METRIC]
  assert len(rows) == 6
  first = rows[0]
  assert (first['model'], first['shots'], first['setting']) == ('right', '2', '')
  assert float(first['majority']) < float(first['score'])
  assert first['orders'] == '1' and not first['orders_low']
  tex = out.with_suffix('.tex').read_text()
  assert r'<b>half\_\&' in tex and r'shuffled labels' in tex


def test_differences_are_of_the_same_queries(cards):
  found = comparison.find([cards / 'right', cards / '<b>half_&'])
  names = comparison.name_models(found)
  rows = comparison.differences(found, names)
  assert [(row['model'], row['than']) for row in rows] == [
      ('right', 'right, shuffled labels'), ('<b>half_&', 'right'),
      ('<b>half_&', '<b>half_&, shuffled labels'), ('<b>half_&', 'right'),
  ]
  score = {
      row['model']: row['score'] for row in comparison.table(found, names)
      if row['shots'] == 4 and row['metric'] == METRIC and not row['setting']
  }
  row = next(row for row in rows if row['shots'] == 4)
  expected = score['<b>half_&'] - score['right']
  assert float(row['difference']) == pytest.approx(expected, abs=0.01)
  low, high = map(float, row['interval'].split(' to '))
  assert low < expected < high < 0 and row['is_clear']
  # Of one model there is only itself, and other queries are not compared.
  (row,) = comparison.differences(found[:3], names)
  assert row['control'] == 'shuffled_labels'
  path = found[-1].path.parent / 'examples.jsonl'
  kept = path.read_text()
  path.write_text(''.join(kept.splitlines(keepends=True)[1:]))
  assert len(comparison.differences(found, names)) == 3
  path.write_text(kept)


def test_a_model_twice_is_one_and_names_are_never_the_same(cards, tmp_path):
  shutil.copytree(cards / 'right', tmp_path / 'copy')
  path = next((tmp_path / 'copy').rglob('card.json'))
  card = json.loads(path.read_text())
  card['model']['sha256'] = '0123456789'
  path.write_text(json.dumps(card))
  names = comparison.name_models(comparison.find([cards / 'right', path]))
  assert names == {'right': 'right', '0123456789': 'right (01234567)'}


def test_a_copy_as_a_replay_writes_it_is_no_draw_of_its_own(cards, tmp_path):
  shutil.copytree(cards / 'right', tmp_path / 'right')
  first = comparison.find([tmp_path])
  shutil.copytree(first[0].path.parent, first[0].path.parent / 'replay/again')
  assert comparison.find([tmp_path]) == first
  assert comparison.find([tmp_path, cards / 'right']) == first


@pytest.mark.parametrize('flags, sentence', [
    (['{empty}'], 'has no card.json in it'),
    (['{empty}/no.json'], 'no.json'),
    (['{cards}', '--out={empty}/x.pdf'], 'must end with .html'),
])
def test_what_cannot_be_reported_is_one_sentence(
    cards, tmp_path, capsys, flags, sentence
):
  flags = [flag.format(empty=tmp_path, cards=cards) for flag in flags]
  assert cli.main(['report', *flags]) == 2
  assert sentence in capsys.readouterr().err
  assert not list(tmp_path.iterdir())
