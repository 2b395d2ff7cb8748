# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Where the images of MMC4 go, when all are there and when one is missing."""

import json

import pytest

from flamingo_jax import cli
from flamingo_jax.data import records
from tests.prepare import exporters
from tests.prepare import mangled_files

SIMILARITY = [  # to the sentences A. and B.
    [0.9, 0.3],
    [0.5, 0.3],
    [0.4, 0.35],
]


@pytest.mark.parametrize('missing, expected', [
    # 0.9 + 0.35 is the largest sum; image 1 fits no sentence that is left.
    (None, ['0', 'A.', '2', 'B.']),
    # Now image 1 has the sentence of image 0: 0.5 + 0.35.
    (0, ['1', 'A.', '2', 'B.']),
    (2, ['0', 'A.', '1', 'B.']),
])
def test_images_are_assigned_anew(tmp_path, missing, expected):
  urls = [f'http://a.b/{i}' for i in range(3)]
  exporters.write_tar(tmp_path / 'fetched' / '0.tar', [{
      'png': mangled_files.picture(),
      'json': json.dumps({
          'url': url, 'status': 'failed' if i == missing else 'success'
      }).encode(),
  } for i, url in enumerate(urls)])
  (tmp_path / 'in.jsonl').write_text(json.dumps({
      'text_list': ['A.', 'B.'], 'similarity_matrix': SIMILARITY,
      'image_info': [{'raw_url': url} for url in urls],
  }))
  out = tmp_path / 'out'
  assert cli.main([
      'prepare', 'mmc4', str(tmp_path / 'in.jsonl'), '--workers=0',
      f'--images={tmp_path / "fetched"}', f'--out={out}',
  ]) == 0
  (document,) = list(records.RecordDocuments(out))
  assert [
      part if isinstance(part, str) else part.path[-1]
      for part in document.parts
  ] == expected
  losses = records.read_manifest(out)['losses']
  assert {reason: loss['count'] for reason, loss in losses.items()} == (
      {'image fits no sentence': 1} if missing is None else
      {'image was not fetched': 1}
  )
