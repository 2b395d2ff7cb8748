# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Own JSONL files, of which a document is whole or not there."""

import json
import os

import numpy as np
import PIL.Image
import pytest

from tests import datasets, pictures
from tests.prepare import exporters


def test_a_picture_that_is_cut_short_drops_its_document(tmp_path, prepare):
  noise = PIL.Image.effect_noise((99, 99), 9).convert('RGB')
  data = pictures.encode(noise, 'JPEG')
  (tmp_path / 'whole.jpg').write_bytes(data)
  # Its header is whole: only decoding tells.
  (tmp_path / 'cut.jpg').write_bytes(data[: len(data) // 2])
  path = datasets.write_jsonl(tmp_path / 'own.jsonl', *(
      [{'image': f'{name}.jpg'}, {'text': 'It is.'}, {'image': 'whole.jpg'}]
      for name in ('whole', 'whole', 'cut')
  ))
  run = prepare('jsonl', path)
  assert run.drops == {'image is corrupt': 1}
  assert 'own.jsonl:3' in run.manifest['drops']['image is corrupt']['first']
  assert '2 documents with 4 images' in run.said and 'own.jsonl:3' in run.said
  for number, document in enumerate(run.documents, 1):
    assert document.source.endswith(f'own.jsonl:{number})')


def test_the_id_of_a_document_names_it(tmp_path, prepare):
  (tmp_path / 'good.png').write_bytes(exporters.picture())
  (tmp_path / 'bad.png').write_bytes(b'none')
  path = tmp_path / 'own.jsonl'
  path.write_text(''.join(
      json.dumps({'id': name, 'license': 'CC0', 'parts': [
          {'image': f'{name}.png'}, {'text': 'A text.'}]}) + '\n'
      for name in ('good', 'bad', 'gone')
  ))
  run = prepare('jsonl', path)
  (document,) = run.documents
  assert "own.jsonl:1 (id 'good')" in document.source
  firsts = [drop['first'] for drop in run.manifest['drops'].values()]
  for number, name in ((2, 'bad'), (3, 'gone')):
    assert any(f"own.jsonl:{number}: id '{name}': " in f for f in firsts)


@pytest.mark.parametrize('kind', ['above', 'absolute', 'link'])
def test_your_own_list_may_name_any_file(tmp_path, prepare, kind):
  (tmp_path / 'in').mkdir()
  (tmp_path / 'a.png').write_bytes(exporters.picture())
  (tmp_path / 'in' / 'link.png').symlink_to(tmp_path / 'a.png')
  name = {'above': '../a.png', 'absolute': os.fspath(tmp_path / 'a.png'),
          'link': 'link.png'}[kind]
  path = datasets.write_jsonl(
      tmp_path / 'in' / 'own.jsonl', [{'image': name}, {'text': 'It is.'}]
  )
  assert prepare('jsonl', path).manifest['images'] == 1


def test_features_are_kept_byte_for_byte(tmp_path, prepare):
  good = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
  np.save(tmp_path / 'good.npy', good)
  np.save(tmp_path / 'nan.npy', good * np.nan)
  path = datasets.write_jsonl(tmp_path / 'own.jsonl', *(
      [{'features': f'{name}.npy'}, {'text': 'It is.'}]
      for name in ('good', 'nan')
  ))
  run = prepare('jsonl', path)
  assert run.drops == {'features has numbers that are not finite': 1}
  assert run.manifest['features'] == 1 and '1 features in' in run.said
  ((medium, _),) = run.parts
  assert medium.kind == 'features'
  assert medium.data == (tmp_path / 'good.npy').read_bytes()
