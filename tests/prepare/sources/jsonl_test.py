# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From a JSONL file to shards that need it no more."""

import json

import PIL.Image
import pytest

from flamingo_jax.data import documents


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


def test_shards_hold_the_documents_of_the_file(path, tmp_path, prepare):
  run = prepare('jsonl', path, '--shards=2', out='data/m3w/train')
  assert '5 documents with 10 images' in run.said
  expected = [
      (doc.parts[1], (tmp_path / f'{i}.jpg').read_bytes(),
       (tmp_path / '0.jpg').read_bytes(), doc.source)
      for i, doc in enumerate(documents.JsonlDocuments(path))
  ]
  for picture in tmp_path.glob('*.jpg'):
    picture.unlink()
  assert len(expected) == 5
  for doc, (text, first, second, source) in zip(
      run.documents, expected, strict=True
  ):
    assert [p if isinstance(p, str) else p.data for p in doc.parts] == [
        first, text, second
    ]
    assert source in doc.source


def test_a_picture_that_is_cut_short_drops_its_document(
    path, tmp_path, prepare
):
  # Its header is whole: only decoding tells.
  PIL.Image.effect_noise((99, 99), 9).convert('RGB').save(tmp_path / '4.jpg')
  data = (tmp_path / '4.jpg').read_bytes()
  (tmp_path / '4.jpg').write_bytes(data[: len(data) // 2])
  run = prepare('jsonl', path)
  assert run.drops == {'image is corrupt': 1}
  assert 'own.jsonl:9' in run.manifest['drops']['image is corrupt']['first']
  assert len(run.documents) == 4 and 'own.jsonl:9' in run.said


@pytest.mark.parametrize('text, sentence', [
    (None, 'does not exist'), ('\n', 'holds no item'),
    ('{', 'own.jsonl:1: not JSON'),
])
def test_a_file_without_documents_is_told(tmp_path, refuse, text, sentence):
  path = tmp_path / 'own.jsonl'
  if text:
    path.write_text(text)
  assert sentence in refuse('jsonl', path)
  assert not (tmp_path / 'out' / 'manifest.json').exists()
