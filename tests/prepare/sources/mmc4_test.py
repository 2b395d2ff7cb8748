# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Where the images of MMC4 go, when all are there and when one is missing."""

import pytest

from tests.prepare import exporters

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
def test_images_are_assigned_anew(tmp_path, prepare, missing, expected):
  urls = [f'http://a.b/{i}' for i in range(3)]
  exporters.write_tar(tmp_path / 'fetched' / '0.tar', [
      exporters.fetched(url, 'failed' if i == missing else 'success')
      for i, url in enumerate(urls)
  ])
  (tmp_path / 'in.jsonl').write_text(
      exporters.mmc4_line(urls, ['A.', 'B.'], SIMILARITY)
  )
  run = prepare('mmc4', tmp_path / 'in.jsonl', f'--images={tmp_path}/fetched')
  (parts,) = run.parts
  assert [p if isinstance(p, str) else p.path[-1] for p in parts] == expected
  assert run.losses == {
      'image fits no sentence' if missing is None else 'image was not fetched':
      1
  }
