# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A benchmark of one's own, in a module of its own: no edit of the package."""

import json
import sys

import pytest

from flamingo_jax import cli
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import paper_benchmarks, stored_cards
from tests.evaluation.miniature import views

BIRDS = '''\
from flamingo_jax.evaluation import metrics, submissions
from flamingo_jax.evaluation.benchmark import Benchmark


def read(source):
  for place, entry in source.fields_of(source.entries(0), 'file', 'bird'):
    yield source.sample(
        place, source.image(entry.text('file')), {}, [entry.text('bird')],
        {'image_id': place},
    )


BIRDS = Benchmark(
    name='birds',  # its files are in DATA/birds
    title='Birds', read=read, origin='the garden', media='<file>',
    splits={'train': ('train.json',), 'test': ('test.json',)}, split='test',
    prompt='Question: Which bird is it? Answer:', trim=('Question', 'Answer'),
    max_new_tokens=5, metrics=(metrics.TOP1,),
    submission=submissions.answers('image_id'),
)
'''


@pytest.fixture
def here(tmp_path, monkeypatch):
  """The folder that has the module, which imports another, and its data."""
  (tmp_path / 'my_names.py').write_text('TRIM = "Question"\n')
  (tmp_path / 'my_benchmark.py').write_text(f'import my_names\n{BIRDS}')
  folder = tmp_path / 'DATA' / 'birds'
  for split, found in ('train', views.SUPPORTS), ('test', views.QUERIES):
    entries = []
    for view in found[:4]:
      name = f'{split}_{view.number}.png'
      views.write_picture(folder / name, view)
      entries.append({'file': name, 'bird': view.thing})
    (folder / f'{split}.json').write_text(json.dumps(entries))
  monkeypatch.chdir(tmp_path)
  yield tmp_path
  for name in ('my_benchmark', 'my_names', 'my_wrong'):
    sys.modules.pop(name, None)


def test_it_is_scored_and_replayed_and_a_changed_one_is_not(
    here, run_dir, capsys
):
  named = '--benchmark=my_benchmark:BIRDS'
  assert cli.main([
      'eval', named, '--data=DATA', f'--model_dir={run_dir}', '--shots=1',
      '--limit=2', '--out=out',
  ]) == 0
  (path,) = (here / 'out').glob('birds_test_1shot_*/card.json')
  card = stored_cards.read(path)
  assert card['queries'] == 2 and 'top1' in card['scores']
  assert card['code']['named'] == 'my_benchmark:BIRDS'
  assert card['code']['sources'].keys() == {'my_benchmark', 'my_names'}
  replay = ['eval', f'--replay={path}', f'--model_dir={run_dir}']
  assert cli.main(replay) == 2
  assert capsys.readouterr().err.endswith(f'name it too, {named}\n')
  assert cli.main([*replay, named]) == 0
  assert capsys.readouterr().out.endswith('are the same, byte for byte\n')
  (here / 'my_names.py').write_text('TRIM = "Answer"\n')
  assert cli.main([*replay, named]) == 2
  assert 'my_names of --benchmark=my_benchmark:BIRDS is not what' in (
      capsys.readouterr().err
  )


@pytest.mark.parametrize('name, sentence', [
    ('my_wrong:', 'is not a MODULE:NAME; write it like my.module:NAME'),
    ('my.other:ROW', "my.other cannot be imported (No module named 'my')"),
    ('my_wrong:ROW', 'has no ROW; name something at its top'),
    ('my_wrong:TEXT', "is 'no row', not a Benchmark"),
    ('my_wrong:PAPERS', "the name 'coco', which is one of `flamingo eval --"),
    ('my_wrong:FOLDERS', "the name '../x', which is not the name of a folder"),
    ('my_wrong:SPLIT', "birds has no split 'validation'; it has train, test"),
    ('my_wrong:BIRDS --prompts', 'has prompts of its own'),
])
def test_what_is_no_benchmark_is_told_in_one_sentence(here, name, sentence):
  (here / 'my_wrong.py').write_text(
      'import dataclasses\nfrom my_benchmark import BIRDS\nTEXT = "no row"\n'
      'PAPERS, FOLDERS = (\n'
      '  dataclasses.replace(BIRDS, name=n) for n in ("coco", "../x"))\n'
      'SPLIT = dataclasses.replace(BIRDS, split="validation")\n'
  )
  name, *prompts = name.split(' --')
  prompts = ['openflamingo'] * len(prompts)
  with pytest.raises(UserError) as error:
    paper_benchmarks.find(name, *prompts)
  assert sentence in str(error.value)


def test_a_module_that_is_no_python_is_told(here):
  (here / 'my_wrong.py').write_text('BIRDS = (\n')
  with pytest.raises(UserError, match='my_wrong cannot be imported'):
    paper_benchmarks.find('my_wrong:BIRDS')
