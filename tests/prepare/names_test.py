# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Lists of your own name any file; archives, crawls and downloads don't.

`sources/jsonl_test.py` has JSONL files, `sources/llava_test.py` conversations.
"""

import os
import tarfile

import numpy as np
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.prepare import tars
from flamingo_jax.prepare.pages import reading
from flamingo_jax.prepare.source import (
    Dropped, find_files, path_inside,
)
from flamingo_jax.prepare.sources.web_pages import Html
from tests.prepare import exporters


@pytest.fixture
def folder(tmp_path):
  """A folder beside a picture, with links to it and to the folder itself."""
  (tmp_path / 'out.png').write_bytes(exporters.picture((200, 200)))
  (tmp_path / 'in' / 'deep').mkdir(parents=True)
  (tmp_path / 'in' / 'own.png').write_bytes(exporters.picture((200, 200)))
  (tmp_path / 'in' / 'link.png').symlink_to('../out.png')
  (tmp_path / 'in' / 'deep' / 'up').symlink_to('..')
  return tmp_path / 'in'


@pytest.mark.parametrize('name', [
    '../out.png', 'deep/../../out.png', 'link.png', 'deep/up/../out.png',
    'deep/up/link.png', '/etc/hostname', 'a\0b',
])
def test_a_name_that_leads_out_is_refused(folder, name):
  with pytest.raises(Dropped, match='leads out|cannot be read'):
    path_inside(str(folder), name)


@pytest.mark.parametrize('name', [
    'own.png', './own.png', 'deep/up/own.png', 'deep/../own.png',
])
def test_a_name_that_stays_inside_is_a_path(folder, name):
  assert path_inside(str(folder), name) == os.path.realpath(folder / 'own.png')


@pytest.mark.parametrize('name', ['link.png', '..%2Fout.png'])
def test_pages_name_no_file_outside(folder, prepare, name):
  for number, source in enumerate(('own.png', name)):
    (folder / f'{number}.html').write_text(
        f'<p>{exporters.PROSE.format(number)}<p><img src="{source}">'
    )
  run = prepare('html', folder)
  assert run.manifest['images'] == 1
  assert 'page has no image left' in run.drops
  first = run.manifest['drops']['page has no image left']['first']
  assert 'leads out of its folder' in first


def test_a_page_of_a_crawl_names_no_file_of_this_machine(folder, monkeypatch):
  monkeypatch.chdir(folder)  # which is no folder of the crawl
  page = reading.Page('http://x.org/', b'', 'utf-8')
  with pytest.raises(Dropped, match='leads out'):
    Html(('x',))._load(page, 'file:///own.png')


@pytest.mark.parametrize('kind', [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_in_tar_files_are_not_followed(folder, kind):
  path = folder / 'a.tar'
  with tarfile.open(path, 'w') as archive:
    link = tarfile.TarInfo('1.png')
    link.type, link.linkname = kind, '../out.png'
    archive.addfile(link)
    text = tarfile.TarInfo('1.txt')
    archive.addfile(text)
  link, sample = tars.read_samples(str(path))
  assert isinstance(link, Dropped) and sample.value == {'txt': b''}


def test_links_in_a_folder_of_your_own_are_followed_to_files(
    folder, prepare
):
  clip = exporters.encode_video(np.zeros((1, 16, 16, 3), np.uint8))
  (folder / '../out.mp4').write_bytes(clip)
  (folder / 'deep' / 'clip.mp4').symlink_to('../../out.mp4')
  (folder / 'deep' / 'clip.txt').write_text('A clip.')
  # `deep/up` leads round in a circle: folders are not followed.
  assert prepare('video', folder).manifest['videos'] == 1


def test_a_folder_that_cannot_be_read_is_told(tmp_path, monkeypatch):
  # The permissions of a folder keep out no administrator, who may run this.
  (tmp_path / 'closed').mkdir()
  (tmp_path / 'a.tar').write_bytes(b'')
  scandir = os.scandir

  def refuse(path):
    if os.fspath(path).endswith('closed'):
      raise PermissionError(13, 'Permission denied', path)
    return scandir(path)

  monkeypatch.setattr(os, 'scandir', refuse)
  with pytest.raises(UserError, match='closed cannot be read .Permission den'):
    find_files([str(tmp_path)], ('.tar',))


def test_links_to_nothing_are_told(tmp_path):
  (tmp_path / 'a.tar').touch()
  (tmp_path / '.#a.tar').symlink_to('me@here')  # of an editor
  assert find_files([str(tmp_path)], ('.tar',)) == [str(tmp_path / 'a.tar')]
  (tmp_path / 'b.tar').symlink_to('.git/annex/b.tar')
  for named in (tmp_path, tmp_path / 'b.tar'):
    with pytest.raises(UserError, match='b.tar is a link to .git/annex/b.tar'):
      find_files([str(named)], ('.tar',))
