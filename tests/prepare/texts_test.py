# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""`flamingo vocabulary train`: from data sets to a vocabulary."""

import itertools

import pytest

from flamingo_jax import cli
from flamingo_jax.data import vocabulary
from flamingo_jax.prepare import texts
from tests import command_examples
from tests.data import plain_english
from tests.datasets import write_jsonl


def train(*arguments):
  return cli.main(['vocabulary', 'train', *arguments])


def test_texts_are_those_of_files_and_folders_in_order(tmp_path, prepare):
  paired = write_jsonl(
      tmp_path / 'a.jsonl',
      [{'image': 'absent.png'}, {'text': 'One.\nTwo.'}], [{'text': 'x' * 1001}],
  )
  alone = write_jsonl(tmp_path / 'b.jsonl', [{'text': 'Three.'}])
  folder = prepare('jsonl', alone, '--text').out
  assert list(texts.texts([str(paired), str(folder)])) == [
      'One.', 'Two.', 'x' * 1000, 'x', 'Three.',
  ]


def test_a_trained_vocabulary_is_the_same_again_and_fits_its_texts(
    tmp_path, capsys
):
  sentences = list(itertools.islice(plain_english.sentences(), 300))
  path = write_jsonl(tmp_path / 'a.jsonl', *([{'text': s}] for s in sentences))
  empty = write_jsonl(tmp_path / 'b.jsonl')
  for name in 'ab':
    assert cli.main([*command_examples.arguments('vocabulary train', 0, {
        'data/m3w/train': path, 'texts.jsonl': empty,
        'own.model': tmp_path / name,
    }), '--size=600']) == 0
  assert capsys.readouterr().out.endswith('b: 601 entries with <EOC>\n')
  assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()
  trained = vocabulary.Vocabulary(tmp_path / 'a')
  foreign = ' two  spaces, \n and \N{SNOWMAN} '
  assert trained.decode(trained.encode(foreign)) == foreign
  assert len(trained.encode(sentences[1])) < len(sentences[1]) / 1.5


@pytest.mark.parametrize('arguments, sentence', [
    (['absent.jsonl', '--out=a.model'], 'absent.jsonl cannot be read'),
    (['bad.jsonl', '--out=a.model'], 'bad.jsonl:2: not JSON'),
    (['empty.jsonl', '--out=a.model'], 'empty.jsonl: no text is in it'),
    (['good.jsonl', '--out=no/a.model'], 'there is no folder no; make it'),
    (['good.jsonl', '--out=a.model', '--size=9'], 'no vocabulary of 9 pieces'),
    (['.', '--out=a.model'], 'name a folder that `flamingo prepare`'),
])
def test_what_is_wrong_is_told_and_nothing_is_written(
    tmp_path, monkeypatch, capsys, arguments, sentence
):
  monkeypatch.chdir(tmp_path)
  write_jsonl(tmp_path / 'good.jsonl', [{'text': 'A text.'}])
  (tmp_path / 'bad.jsonl').write_text('{"parts": [{"text": "a"}]}\n{"parts"\n')
  (tmp_path / 'empty.jsonl').write_text('\n')
  assert train(*arguments) == 2
  assert sentence in capsys.readouterr().err
  assert not list(tmp_path.rglob('*.model'))
