# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""SMMILE: a problem's examples are its shots; pictures are in its files."""

import csv
import shutil
import sys

import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import paper_benchmarks
from flamingo_jax.evaluation.prompts import as_text
from tests.evaluation.answerers import evaluate, examples, results
from tests.evaluation.miniature import smmile

FILE = 'train-00000-of-00001.parquet'


def queries(data, name='smmile'):
  return paper_benchmarks.find(name).queries(data, 'train')


def test_examples_come_in_their_order_and_the_last_row_asks(data):
  asked = queries(data)
  assert len(asked) == 30 and {len(q.supports) for q in asked} == {2, 3, 4, 5}
  for query in asked:
    samples = [*query.supports, query]
    assert len({s.record['problem_id'] for s in samples}) == 1
    places = [smmile.views.VIEWS.index(view) for view in smmile.views.VIEWS
              if view.question == query.text]
    assert places and query.media[0].data.startswith(b'\x89PNG')
  turned = queries(data, 'smmile_plusplus')
  for first, other in zip(turned[::2], turned[1::2], strict=True):
    assert [s.text for s in first.supports] == (
        [s.text for s in other.supports][::-1]
    )
    assert (first.text, first.answers) == (other.text, other.answers)
    # One picture is in memory once.
    assert first.media[0].data is other.media[0].data


def test_all_examples_are_shots_unless_fewer_are_asked_for(data, tmp_path):
  card, oracle = evaluate(data, tmp_path, 'smmile', shots=32)
  assert card['prompt']['shown'] == [2, 5]
  whole = {query.text: query for query in queries(data)}
  for prompt in oracle.asked:
    query = whole[prompt[-1]]
    assert as_text(prompt) == ''.join(
        f'<image>{s.text} {s.answers[0]}<EOC>' for s in query.supports
    ) + f'<image>{query.text}'
  card, oracle = evaluate(data, tmp_path, 'smmile', shots=1)
  for prompt in oracle.asked:
    first = whole[prompt[-1]].supports[0]
    assert as_text(prompt) == (
        f'<image>{first.text} {first.answers[0]}<EOC><image>{prompt[-1]}'
    )
  (row, *_) = examples(tmp_path, card)
  assert row['shots'][0].startswith('smmile:train:')
  with (results(tmp_path, card) / 'predictions.csv').open() as file:
    said = list(csv.DictReader(file))
  assert list(said[0]) == [
      'problem_id', 'final_question', 'true_answer', 'generated_answer'
  ]
  _, oracle = evaluate(data, tmp_path, 'smmile', shots=0)
  assert all(len(prompt) == 2 for prompt in oracle.asked)


@pytest.mark.parametrize('edit, sentence', [
    (lambda rows: rows[3].update(image=None), 'entry 3 has None as .image'),
    (lambda rows: rows[3].update(image={'bytes': b'', 'path': 'x'}),
     'entry 3 .*no picture in it'),
    (lambda rows: rows.append(rows[0]), 'the second one of order'),
    (lambda rows: [row.pop('order') for row in rows], "no field 'order'"),
    (lambda rows: rows[3].update(answer=' '), "entry 3 has ' ' as 'answer'"),
    (lambda rows: rows[3].update(problem_id=None), 'entry 3 has None'),
    (lambda rows: rows.clear(), 'has no samples of the split'),
])
def test_what_a_file_holds_wrongly_is_told(data, tmp_path, edit, sentence):
  rows = smmile.read(data / 'smmile' / 'data' / FILE)
  edit(rows)
  path = tmp_path / 'smmile' / 'data' / FILE
  smmile.write(path, rows)
  with pytest.raises(UserError, match=sentence) as raised:
    queries(tmp_path)
  assert str(path) in str(raised.value)


def test_a_file_that_is_none_is_told(data, tmp_path, monkeypatch):
  with pytest.raises(UserError, match=r'train-\*.parquet does not exist'):
    queries(tmp_path)
  folder = tmp_path / 'smmile' / 'data'
  shutil.copytree(data / 'smmile' / 'data', folder)
  whole = (folder / FILE).read_bytes()
  (folder / FILE).write_bytes(whole[:-9])
  with pytest.raises(UserError, match=f'{FILE} is not Parquet'):
    queries(tmp_path)
  monkeypatch.setitem(sys.modules, 'pyarrow', None)
  with pytest.raises(UserError, match='is read with pyarrow: pip install'):
    queries(tmp_path)
