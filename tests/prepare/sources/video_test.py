# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of captions that are none."""

import pytest

from flamingo_jax import cli


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
