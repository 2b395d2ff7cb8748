# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of captions that are none, and videos that nothing decodes."""

import numpy as np
import pytest

from tests.prepare import exporters


@pytest.mark.parametrize('ending, table, sentence', [
    *(('jsonl', text, 'name a CSV') for text in (
        '', '["a.mp4"]\n', '{"video": "a.mp4", "caption": "x"}\n["b.mp4"]\n',
        '[' * 100_000,
    )),
    ('csv', 'film,said\na.mp4,x\n', 'has no column path or file'),
    # A row that is longer than the header.
    ('csv', 'clip,said\na.mp4,x,one more\n', 'only clip, said; rename a column'),
])
def test_a_table_without_captions_is_told(
    tmp_path, refuse, ending, table, sentence
):
  (tmp_path / 'a.mp4').write_text('not opened')
  captions = tmp_path / f'captions.{ending}'
  captions.write_text(table)
  message = refuse('video', tmp_path, f'--captions={captions}')
  assert f'{captions} ' in message and sentence in message


def test_a_video_of_an_unknown_codec_is_counted_as_that(tmp_path, prepare):
  data = exporters.encode_video(np.zeros((3, 64, 64, 3), np.uint8), rate=1)
  exporters.video_tar(
      [(data, 'x'), (data.replace(b'avc1', b'xxxx'), 'y')], tmp_path / 'in'
  )
  said = prepare('video', tmp_path / 'in').said
  assert '1  video has a codec that cannot be read' in said
  assert '0.tar:000000001' in said
  assert 'export it again, for example as MP4' in said


def test_videos_of_one_name_keep_their_captions(tmp_path, prepare):
  shade = {'cooking': 0, 'sports': 200}
  for name, value in shade.items():
    (tmp_path / name).mkdir()
    (tmp_path / name / '1.mp4').write_bytes(exporters.encode_video(
        np.full((1, 16, 16, 3), value, np.uint8)
    ))
  table = tmp_path / 'captions.csv'
  table.write_text('path,caption\n' + ''.join(
      f'{name}/1.mp4,{name}\n' for name in shade
  ))
  run = prepare('video', tmp_path, f'--captions={table}')
  assert [p[1] for p in run.parts] == ['cooking', 'sports']
  table.write_text('path,caption\n1.mp4,cooking\n1.mp4,sports\n')
  message = prepare('video', tmp_path, f'--captions={table}', status=2).told
  assert 'already exists' in message  # of another table
  message = prepare(
      'video', tmp_path, f'--captions={table}', out='none', status=2
  ).told
  assert '2 times caption fits several videos' in message


def test_no_caption_of_a_table_goes_unseen(tmp_path, prepare, refuse):
  clip = exporters.encode_video(np.zeros((1, 16, 16, 3), np.uint8))
  (tmp_path / 'clips').mkdir()
  (tmp_path / 'clips' / 'a.MP4').write_bytes(clip)
  table = tmp_path / 'captions.csv'
  table.write_text('path,caption\na,one\nclips\\a.MP4,two\nb.mp4,three\n')
  arguments = ['video', tmp_path / 'clips', f'--captions={table}']
  run = prepare(*arguments)
  assert [parts[1] for parts in run.parts] == ['one']
  assert run.drops == {'caption of no video': 2}
  first = run.manifest['drops']['caption of no video']['first']
  assert f'{table}: line 3: ' in first
  # A tar has its own captions, which a table would not change.
  exporters.write_tar(tmp_path / 'clips' / '0.tar', [{'mp4': clip}])
  assert '0.tar holds captions itself' in refuse(*arguments, out='more')


def test_captions_beside_videos_may_have_endings_of_any_writing(
    tmp_path, prepare
):
  clip = exporters.encode_video(np.zeros((1, 16, 16, 3), np.uint8))
  (tmp_path / 'A.MP4').write_bytes(clip)
  (tmp_path / 'A.TXT').write_text('one')
  (tmp_path / 'B.Mp4').write_bytes(clip)
  (tmp_path / 'B.JSON').write_text('{"caption": "two"}')
  assert [p[1] for p in prepare('video', tmp_path).parts] == ['one', 'two']
