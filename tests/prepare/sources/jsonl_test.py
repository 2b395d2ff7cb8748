# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Own JSONL files, of which a document is whole or not there."""

import PIL.Image

from tests import datasets, pictures


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
