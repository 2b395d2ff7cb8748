# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of captions that are none, and videos that nothing decodes."""

import numpy as np
import pytest

from flamingo_jax import cli
from tests.prepare import exporters


@pytest.mark.parametrize('table', [
    '', '["a.mp4"]\n', '{"video": "a.mp4", "caption": "x"}\n["b.mp4"]\n',
    '[' * 100_000,
])
def test_a_table_without_captions_is_told(tmp_path, table, capsys):
  (tmp_path / 'a.mp4').write_text('not opened')
  captions = tmp_path / 'captions.jsonl'
  captions.write_text(table)
  out = tmp_path / 'out'
  status = cli.main([
      'prepare', 'video', str(tmp_path), f'--captions={captions}',
      f'--out={out}', '--workers=0',
  ])
  (line,) = capsys.readouterr().err.splitlines()
  assert status == 2
  assert f'{captions} ' in line and 'name a CSV' in line


def test_a_video_of_an_unknown_codec_is_counted_as_that(tmp_path, capsys):
  data = exporters.encode_video(np.zeros((3, 64, 64, 3), np.uint8), rate=1)
  exporters.video_tar(
      [(data, 'x'), (data.replace(b'avc1', b'xxxx'), 'y')], tmp_path / 'in'
  )
  assert cli.main([
      'prepare', 'video', str(tmp_path / 'in'), f'--out={tmp_path / "out"}',
      '--workers=0',
  ]) == 0
  printed = capsys.readouterr().out
  assert '1  video has a codec that cannot be read' in printed
  assert '0.tar:000000001' in printed
  assert 'export it again, for example as MP4' in printed


def test_a_row_longer_than_the_header_of_a_table_is_no_traceback(
    tmp_path, capsys
):
  (tmp_path / 'a.mp4').write_text('not opened')
  captions = tmp_path / 'captions.csv'
  captions.write_text('clip,said\na.mp4,x,one more\n')
  assert cli.main([
      'prepare', 'video', str(tmp_path), f'--captions={captions}',
      f'--out={tmp_path / "out"}', '--workers=0',
  ]) == 2
  (line,) = capsys.readouterr().err.splitlines()
  assert 'only clip, said; rename a column' in line
