# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From a JSONL file to shards that need it no more."""

import json

import PIL.Image
import pytest

from flamingo_jax import cli
from flamingo_jax.data import documents
from flamingo_jax.data import records


@pytest.fixture
def path(tmp_path):
  """Documents with two pictures and one text each, blank lines in between."""
  lines = []
  for i in range(5):
    PIL.Image.new('RGB', (9, 6), (i, 0, 0)).save(tmp_path / f'{i}.jpg')
    parts = [{'image': f'{i}.jpg'}, {'text': f'It is {i}.'},
             {'image': '0.jpg'}]
    lines += [json.dumps({'parts': parts}), '']
  path = tmp_path / 'own.jsonl'
  path.write_text('\n'.join(lines), encoding='utf-8')
  return path


def prepare(path, out, *flags):
  return cli.main(
      ['prepare', 'jsonl', str(path), f'--out={out}', '--workers=0', *flags]
  )


def test_shards_hold_the_documents_of_the_file(path, tmp_path, capsys):
  out = tmp_path / 'data' / 'm3w' / 'train'
  assert prepare(path, out, '--shards=2') == 0
  assert '5 documents with 10 images' in capsys.readouterr().out
  expected = [
      (doc.parts[1], (tmp_path / f'{i}.jpg').read_bytes(),
       (tmp_path / '0.jpg').read_bytes(), doc.source)
      for i, doc in enumerate(documents.JsonlDocuments(path))
  ]
  for picture in tmp_path.glob('*.jpg'):
    picture.unlink()
  found = records.RecordDocuments(out)
  assert len(found) == len(expected) == 5
  for i, (text, first, second, source) in enumerate(expected):
    parts = found[i].parts
    assert (parts[1], parts[0].data, parts[2].data) == (text, first, second)
    assert source in found[i].source


def test_a_picture_that_is_cut_short_drops_its_document(
    path, tmp_path, capsys
):
  # Its header is whole: only decoding tells.
  PIL.Image.effect_noise((99, 99), 9).convert('RGB').save(tmp_path / '4.jpg')
  data = (tmp_path / '4.jpg').read_bytes()
  (tmp_path / '4.jpg').write_bytes(data[: len(data) // 2])
  out = tmp_path / 'train'
  assert prepare(path, out) == 0
  drops = json.loads((out / 'manifest.json').read_text())['drops']
  assert drops['image is corrupt']['count'] == 1
  assert 'own.jsonl:9' in drops['image is corrupt']['first']
  assert len(records.RecordDocuments(out)) == 4
  assert 'own.jsonl:9' in capsys.readouterr().out


@pytest.mark.parametrize('text, sentence', [
    (None, 'does not exist'), ('\n', 'holds no item'),
    ('{', 'own.jsonl:1: not JSON'),
])
def test_a_file_without_documents_is_told(tmp_path, capsys, text, sentence):
  path = tmp_path / 'own.jsonl'
  if text:
    path.write_text(text)
  assert prepare(path, tmp_path / 'train') == 2
  assert sentence in capsys.readouterr().err
  assert not (tmp_path / 'train' / 'manifest.json').exists()
