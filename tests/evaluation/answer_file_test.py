# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Which answers that are there are kept, and which are asked for anew."""

from etils import epath
import numpy as np
import pytest

from flamingo_jax.evaluation.answer_file import AnswerFile

MADE_FROM = {'weights': 'abc', 'mode': 'score', 'versions': {'jax': '1'}}


def examples(part, value=0):
  return {
      'tokens': np.array([part]), 'media': np.full((1, 2), value, np.uint8),
      'source_pretokenized': np.array([f'{part}'.encode()], object),
  }


def answer(path, parts, made_from=MADE_FROM):
  """What is asked of a model while the parts are written."""
  asked, output = [], AnswerFile(epath.Path(path), made_from)
  for part in parts:
    def ask(part=part):
      asked.append(part['tokens'][0])
      return [f'"{part["tokens"][0]}, {part["media"][0, 0]}"']
    output.add(part, ask)
  output.finish()
  return asked


@pytest.fixture
def file(tmp_path):
  path = tmp_path / 'task-score.jsonl-00000-of-00001'
  assert answer(path, [examples(0), examples(1)]) == [0, 1]
  return path


def test_the_same_is_not_asked_again(file, capsys):
  assert answer(file, [examples(0), examples(1)]) == []
  assert file.read_text() == '"0, 0"\n"1, 0"\n' and not capsys.readouterr().err


@pytest.mark.parametrize('change', [
    {'weights': 'abd'}, {'mode': 'predict'}, {'versions': {'jax': '2'}},
])
def test_what_is_made_from_something_else_is_asked_anew(file, change, capsys):
  assert answer(file, [examples(0), examples(1)], MADE_FROM | change) == [0, 1]
  assert capsys.readouterr().err == (
      f'{file}: answered again, as it was made from other {next(iter(change))}\n'
  )


def test_other_examples_are_asked_and_the_same_ones_are_not(file, capsys):
  # A picture was overwritten, or a prompt is another.
  assert answer(file, [examples(0), examples(1, 9), examples(2)]) == [1, 2]
  assert file.read_text() == '"0, 0"\n"1, 9"\n"2, 0"\n'
  assert 'other examples' in capsys.readouterr().err
  assert answer(file, [examples(0)]) == []
  assert file.read_text() == '"0, 0"\n'


@pytest.mark.parametrize('damage', [
    lambda path: path.write_text(path.read_text()[:-2]),
    lambda path: path.write_text('mine\n'),
    lambda path: next(path.parent.glob('*.made_from.json')).write_text('{'),
    lambda path: next(path.parent.glob('*.made_from.json')).write_text('[]'),
    lambda path: next(path.parent.glob('*.made_from.json')).unlink(),
])
def test_a_file_that_was_changed_is_not_taken_for_done(file, damage, capsys):
  before = file.read_bytes()
  damage(file)
  assert answer(file, [examples(0), examples(1)]) == [0, 1]
  assert file.read_bytes() == before
  assert 'answered again' in capsys.readouterr().err


def test_a_draft_is_of_the_same_model_alone(tmp_path):
  path = tmp_path / 'task-score.jsonl-00000-of-00001'
  for made_from in (MADE_FROM, MADE_FROM | {'weights': 'abd'}):
    output = AnswerFile(epath.Path(path), made_from)
    output.add(examples(0), lambda: ['"x"'])  # and is killed
  (draft, other) = tmp_path.glob('*.tmp')
  draft.write_bytes(draft.read_bytes() + b'["cut')
  assert answer(path, [examples(0), examples(1)]) == [1]
  assert answer(path, [examples(0)], MADE_FROM | {'weights': 'x'}) == [0]


def test_a_draft_is_kept_up_to_what_is_damaged(tmp_path):
  path = tmp_path / 'task-score.jsonl-00000-of-00001'
  output = AnswerFile(epath.Path(path), MADE_FROM)
  for part in (0, 1, 2):
    output.add(examples(part), lambda: ['"kept"'])
  (draft,) = tmp_path.glob('*.tmp')
  first, second, third = draft.read_bytes().splitlines(keepends=True)
  draft.write_bytes(first + b'\0' * (len(second) - 1) + b'\n' + third)
  assert answer(path, [examples(0), examples(1), examples(2)]) == [1, 2]
