# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Images that a downloader has fetched, some in files that are damaged."""

import json
import pathlib

import pytest

from flamingo_jax import cli
from flamingo_jax.prepare.fetched import FetchedImages
from flamingo_jax.prepare.source import Dropped
from tests.prepare import exporters
from tests.prepare import mangled_files

URLS = [f'http://a.b/{i}.png' for i in range(3)]


@pytest.fixture
def folder(tmp_path):
  """A page for each picture, and tar files of one and of two pictures."""
  samples = [{
      'png': mangled_files.picture(),
      'json': json.dumps({'url': url, 'status': 'success'}).encode(),
  } for url in URLS]
  exporters.write_tar(tmp_path / 'fetched' / '0.tar', samples[:1])
  exporters.write_tar(tmp_path / 'fetched' / '1.tar', samples[1:])
  (tmp_path / 'in.jsonl').write_text(''.join(
      json.dumps({
          'text_list': ['A text.'], 'image_info': [{'raw_url': url}],
          'similarity_matrix': [[0.5]],
      }) + '\n' for url in URLS
  ))
  return tmp_path


def prepare(folder, out='out'):
  assert cli.main([
      'prepare', 'mmc4', str(folder / 'in.jsonl'), '--workers=0',
      f'--images={folder / "fetched"}', f'--out={folder / out}',
  ]) == 0
  return json.loads((folder / out / 'manifest.json').read_text())


def second_sample(data):
  """Where the second picture's header begins."""
  return data.index(b'000000001.png')


@pytest.mark.parametrize('harm, left', [
    (lambda data: data[: second_sample(data)], 2),
    (lambda data: data[: second_sample(data) + 100], 2),
    (lambda data: data[: second_sample(data) + 600], 2),
    (lambda data: data.replace(b'000000001.png', b'x' * 13), 2),
    (lambda data: b'x' * 2000, 1),
])
def test_a_damaged_tar_is_told_and_what_came_before_is_used(
    folder, harm, left, capsys
):
  path = folder / 'fetched' / '1.tar'
  path.write_bytes(harm(path.read_bytes()))
  manifest = prepare(folder)
  assert manifest['documents'] == left
  assert manifest['drops']['no image is left']['count'] == 3 - left
  ((reason, loss),) = manifest['losses'].items()
  assert 'damaged' in reason and loss['count'] == 1
  assert loss['first'].startswith(f'{path}: ')
  assert f'{reason} (first: {path}' in capsys.readouterr().out


def test_whole_files_lose_nothing(folder):
  manifest = prepare(folder)
  assert manifest['documents'] == 3 and manifest['losses'] == {}


def test_a_json_that_cannot_be_read_is_no_fault_of_the_output(
    folder, monkeypatch
):
  bad = folder / 'fetched' / 'bad.json'
  bad.write_text('{}')
  bad.with_suffix('.png').touch()
  read_bytes = pathlib.Path.read_bytes

  def refuse(path):
    if path == bad:
      raise PermissionError(13, 'Permission denied')
    return read_bytes(path)

  monkeypatch.setattr(pathlib.Path, 'read_bytes', refuse)
  manifest = prepare(folder)
  ((_, loss),) = manifest['losses'].items()
  assert manifest['documents'] == 3 and loss['count'] == 1
  assert str(bad) in loss['first'] and 'Permission denied' in loss['first']


def test_a_file_that_is_gone_loses_its_image_and_not_the_page(tmp_path):
  (tmp_path / 'in').mkdir()
  picture = mangled_files.picture()
  (tmp_path / 'in' / 'a.png').write_bytes(picture)
  (tmp_path / 'in' / 'a.json').write_text(
      json.dumps({'url': URLS[0], 'status': 'success'})
  )
  images = FetchedImages(str(tmp_path / 'in')).write_index(tmp_path / 'index')
  assert images.read(URLS[0]) == picture
  (tmp_path / 'in' / 'a.png').rename(tmp_path / 'in' / 'b.png')
  with pytest.raises(Dropped, match='image cannot be read'):
    images.read(URLS[0])


def test_nothing_but_a_damaged_tar(folder, capsys):
  (folder / 'fetched' / '0.tar').unlink()
  path = folder / 'fetched' / '1.tar'
  path.write_bytes(b'x' * 2000)
  assert cli.main([
      'prepare', 'mmc4', str(folder / 'in.jsonl'), '--workers=0',
      f'--images={folder / "fetched"}', f'--out={folder / "out"}',
  ]) == 2
  (line,) = capsys.readouterr().err.splitlines()
  assert 'holds no image' in line and f'({path}: ' in line
