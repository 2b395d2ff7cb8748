# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Images that a downloader has fetched, some in files that are damaged."""

import io
import pathlib
import tarfile

import pytest

from flamingo_jax.prepare.fetched import FetchedImages
from flamingo_jax.prepare.source import Dropped
from tests.prepare import exporters

URLS = [f'http://a.b/{i}.png' for i in range(3)]


@pytest.fixture
def folder(tmp_path):
  """A page for each picture, and tar files of one and of two pictures."""
  samples = [exporters.fetched(url) for url in URLS]
  exporters.write_tar(tmp_path / 'fetched' / '0.tar', samples[:1])
  exporters.write_tar(tmp_path / 'fetched' / '1.tar', samples[1:])
  (tmp_path / 'in.jsonl').write_text(
      ''.join(exporters.mmc4_line([url]) for url in URLS)
  )
  return tmp_path


def arguments(folder):
  return 'mmc4', folder / 'in.jsonl', f'--images={folder / "fetched"}'


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
    folder, prepare, harm, left
):
  path = folder / 'fetched' / '1.tar'
  path.write_bytes(harm(path.read_bytes()))
  run = prepare(*arguments(folder))
  assert run.manifest['documents'] == left
  assert run.drops['no image is left'] == 3 - left
  ((reason, loss),) = run.manifest['losses'].items()
  assert 'damaged' in reason and loss['count'] == 1
  assert loss['first'].startswith(f'{path}: ')
  assert f'{reason} (first: {path}' in run.said


def test_whole_files_lose_nothing(folder, prepare):
  run = prepare(*arguments(folder))
  assert len(run.documents) == 3 and run.losses == {}


def test_a_json_that_cannot_be_read_is_no_fault_of_the_output(
    folder, prepare, monkeypatch
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
  run = prepare(*arguments(folder))
  ((_, loss),) = run.manifest['losses'].items()
  assert len(run.documents) == 3 and loss['count'] == 1
  assert str(bad) in loss['first'] and 'Permission denied' in loss['first']


def test_a_file_that_is_gone_loses_its_image_and_not_the_page(tmp_path):
  (tmp_path / 'in').mkdir()
  files = exporters.fetched(URLS[0])
  for ending, data in files.items():
    (tmp_path / 'in' / f'a.{ending}').write_bytes(data)
  images = FetchedImages(str(tmp_path / 'in')).write_index(tmp_path / 'index')
  assert images.read(URLS[0]) == files['png']
  (tmp_path / 'in' / 'a.png').rename(tmp_path / 'in' / 'b.png')
  with pytest.raises(Dropped, match='image cannot be read'):
    images.read(URLS[0])


def test_nothing_but_a_damaged_tar(folder, refuse):
  (folder / 'fetched' / '0.tar').unlink()
  path = folder / 'fetched' / '1.tar'
  path.write_bytes(b'x' * 2000)
  message = refuse(*arguments(folder))
  assert 'holds no image' in message and f'({path}: ' in message


@pytest.mark.parametrize('as_tar', [True, False])
def test_more_files_do_not_shift_the_images(tmp_path, as_tar):
  folder = tmp_path / 'in'
  folder.mkdir()
  samples = {url: exporters.fetched(url) for url in URLS}

  def fetch(name, url):
    if as_tar:
      exporters.write_tar(folder / f'{name}.tar', [samples[url]])
    else:
      for ending, data in samples[url].items():
        (folder / f'{name}.{ending}').write_bytes(data)

  fetch('b', URLS[0])
  fetch('c', URLS[1])
  images = FetchedImages(str(folder)).write_index(tmp_path / 'index')
  fetch('a', URLS[2])
  again = FetchedImages(str(folder)).write_index(tmp_path / 'index')
  for found in (images, again):
    assert [found.read(url) for url in URLS[:2]] == [
        samples[url]['png'] for url in URLS[:2]
    ]
  fetch('c', URLS[0] if as_tar else URLS[1])  # another file in its place
  (folder / ('c.tar' if as_tar else 'c.png')).open('ab').write(b'more')
  with pytest.raises(Dropped, match='has changed since the run began'):
    images.read(URLS[1])


def test_other_images_are_another_run(folder, prepare, refuse):
  prepare(*arguments(folder))
  assert prepare(*arguments(folder)).manifest['documents'] == 3
  exporters.write_tar(
      folder / 'fetched' / '2.tar', [exporters.fetched('http://a.b/9.png')]
  )
  assert 'already exists' in refuse(*arguments(folder))


@pytest.mark.parametrize('second', ['json', 'png'])
def test_a_name_that_comes_twice_in_a_tar_gives_no_image(
    folder, prepare, second
):
  one, other = (exporters.fetched(url) for url in URLS[1:])
  # In both orders some pairing would give a page the other's picture.
  with tarfile.open(folder / 'fetched' / '1.tar', 'w') as archive:
    for ending, data in [*one.items(), (second, other[second])]:
      member = tarfile.TarInfo(f'x.{ending}')
      member.size = len(data)
      archive.addfile(member, io.BytesIO(data))
  run = prepare(*arguments(folder))
  assert run.manifest['documents'] == 1 and run.drops == {'no image is left': 2}
  ((reason, loss),) = (
      pair for pair in run.manifest['losses'].items() if 'twice' in pair[0]
  )
  assert loss['count'] == 1 and loss['first'].endswith('1.tar:x')


def test_two_images_of_one_json_are_none(folder, prepare):
  files = exporters.fetched(URLS[0])
  (folder / 'fetched' / '0.tar').unlink()
  for name in ('a.json', 'a.png', 'a.jpg'):
    data = files.get(name[2:], exporters.picture(kind='JPEG'))
    (folder / 'fetched' / name).write_bytes(data)
  run = prepare(*arguments(folder))
  assert run.manifest['documents'] == 2
  assert [n for reason, n in run.losses.items() if 'twice' in reason] == [1]
