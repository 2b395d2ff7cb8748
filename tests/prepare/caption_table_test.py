# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A video gets the caption of the row that names it, or none."""

import json

import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.prepare.source import Dropped
from flamingo_jax.prepare.sources import video

VIDEOS = ('cooking/0001.mp4', 'sports/0001.mp4', 'sports/2.b.webm', '3.mp4')


@pytest.fixture
def captions(tmp_path):
  """What each video gets of a table that is written: a text or a reason."""
  for name in VIDEOS:
    (tmp_path / 'clips' / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / 'clips' / name).touch()

  def read(*rows, place='captions.csv', named=('clips',), text=None):
    table = tmp_path / place
    write = _write_csv if place.endswith('csv') else _write_jsonl
    write(table, rows, tmp_path)
    if text is not None:
      table.write_bytes(text)
    source = video.Video(
        tuple(str(tmp_path / name) for name in named), captions=str(table)
    )
    found = {}
    for unit in source.units():
      for item in source.read(unit) if unit.members else ():
        name = item.value.removeprefix(f'{tmp_path}/clips/')
        try:
          found[name] = source._caption_of_file(item.value)
        except Dropped as dropped:
          found[name] = dropped.reason
    return tuple(found.get(name) for name in VIDEOS)

  return read


def _write_csv(path, rows, root):
  path.write_text('path,caption\n' + ''.join(
      f'{name.format(root=root)},{text}\n' for name, text in rows
  ))


def _write_jsonl(path, rows, root):
  path.write_text(''.join(
      json.dumps({'video': name, 'text': text}) + '\n' for name, text in rows
  ))


@pytest.mark.parametrize('place', ['captions.csv', 'clips/captions.csv'])
@pytest.mark.parametrize('begin', ['{root}/clips/', './', ''])
@pytest.mark.parametrize('ending', ['.mp4', ''])
def test_a_path_with_its_folder_names_one_video(
    captions, place, begin, ending
):
  assert captions(
      (f'{begin}sports/0001{ending}', 'a ball'),
      (f'{begin}cooking/0001{ending}', 'a pan'), place=place,
  ) == ('a pan', 'a ball', '', '')


def test_a_path_begins_at_the_table_or_below_what_is_named(captions):
  rows = (('clips/sports/0001.mp4', 'a ball'), ('clips/cooking/0001', 'a pan'))
  assert captions(*rows) == ('a pan', 'a ball', '', '')
  # Where neither folder is its beginning, its end decides.
  rows = (('sports/0001.mp4', 'a ball'), ('cooking/0001', 'a pan'))
  assert captions(*rows, named=('.',)) == ('a pan', 'a ball', '', '')
  assert captions(('swimming/0001.mp4', 'a lake')) == ('',) * 4
  assert captions(('{root}/old/3.mp4', 'moved')) == ('',) * 4


def test_a_name_alone_is_that_of_one_video_or_of_none(captions):
  several = 'caption fits several videos'
  assert captions(('0001.mp4', 'a pan'), ('2.b', 'a race'), ('3', 'x')) == (
      several, several, 'a race', 'x'
  )
  # A row that says which one is not in doubt.
  assert captions(('0001', 'a pan'), ('sports/0001', 'a ball')) == (
      several, 'a ball', '', ''
  )


@pytest.mark.parametrize('again', ['3.mp4', '3', './3.mp4', '{root}/clips/3'])
def test_of_two_captions_none_is_taken(captions, again):
  assert captions(('3.mp4', 'one'), (again, 'another'))[3] == (
      'video has several captions'
  )
  assert captions(('3.mp4', 'one'), (again, 'one'))[3] == 'one'
  assert captions(('3.mp4', 'one'), (again, ''))[3] == 'one'


@pytest.mark.parametrize('value, caption', [
    ('a', 'a'), (7, '7'), (0, '0'), (2.50, '2.5'), (None, ''), (True, ''),
    (['a'], ''), ({}, ''), (' ', ''),
])
def test_captions_of_json_are_texts_or_numbers(captions, value, caption):
  found = captions(('3.mp4', value), (7, 'x'), place='captions.jsonl')
  assert found == ('', '', '', caption)


@pytest.mark.parametrize('text, told', [
    (b'path;caption\n3.mp4;x\n', 'separate columns by commas; rename'),
    (b'Path,Caption\n3.mp4,x\n', 'only Path, Caption; rename a column'),
    (b'path,caption\n3.mp4,a dog, running\n', 'line 2 has more values'),
    (b'path,caption\n3.mp4,"a dog\n0001,"x"\n', 'line 3: '),
    (b'path,caption\n3.mp4,a caf\xe9\n', 'UTF-8'),
    (b'path,caption,caption\n3.mp4,a,b\n', 'two columns have one name'),
    (b'path,caption\n3.mp4,a\n,b\n', 'captions.csv:3 names no video'),
    (b'path,caption\n', 'has no row'), (b'', 'has no row'),
])
def test_a_table_that_says_something_else_is_told(captions, text, told):
  with pytest.raises(UserError, match=told) as raised:
    captions(text=text)
  assert 'captions.csv' in str(raised.value) and '; ' in str(raised.value)


def test_a_byte_order_mark_is_no_part_of_a_column(captions):
  text = 'path,caption\r\n3.mp4,"Caf\u00e9, closed"\r\n'.encode('utf-8-sig')
  assert captions(text=text)[3] == 'Caf\u00e9, closed'
