# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What is no file is told in place of any file, and nothing waits for it."""

import os
import socket

import pytest

from flamingo_jax import gin_macros
from flamingo_jax import opening
from flamingo_jax import gin_search
from flamingo_jax.data import documents
from flamingo_jax.data import media
from flamingo_jax.data import records
from flamingo_jax.data import vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import stored_cards
from flamingo_jax.evaluation.readers.source import Source
from flamingo_jax.prepare import caption_table
from flamingo_jax.prepare import fitting
from flamingo_jax.prepare import source
from tests.pictures import png

KINDS = {
    'pipe': 'a named pipe', 'socket': 'a socket', 'device': 'a device',
    'folder': 'a folder',
}


@pytest.fixture(params=KINDS)
def no_file(request, tmp_path, monkeypatch):
  """A path, and what is there."""
  monkeypatch.chdir(tmp_path)  # a socket's path must be short
  name = 'x.jsonl'
  if request.param == 'pipe':
    os.mkfifo(name)
  elif request.param == 'socket':
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(name)
    listening.close()
  elif request.param == 'device':
    os.symlink('/dev/zero', name)
  else:
    os.mkdir(name)
  return str(tmp_path / name), KINDS[request.param]


def test_only_files_are_opened(no_file):
  path, what = no_file
  for use in (opening.open_file, opening.check):
    with pytest.raises(OSError, match=f'it is {what}, not a file'):
      use(path)


def _jsonl(path):
  documents.JsonlDocuments(path)


def _line(path):
  documents.read_line(path, 1).checked(path)


def _image(path):
  media.load_frames(media.image(path), 1, 8, None)


def _clip(path):
  media.load_frames(media.video(path), 1, 8, None)


def _card(path):
  stored_cards.read(path)


def _captions(path):
  caption_table.CaptionTable(path, [], [])


@pytest.mark.parametrize('use', [
    _jsonl, _line, _image, _clip, vocabulary.Vocabulary, _card, _captions,
])
def test_every_reader_tells_what_is_no_file(no_file, use):
  path, what = no_file
  with pytest.raises(UserError, match=what) as raised:
    use(path)
  told = str(raised.value)  # relative to the current folder, if it is below
  assert os.path.basename(path) in told and '\n' not in told


@pytest.mark.parametrize('inside', [False, True])
def test_sources_of_prepare_tell_a_pipe(tmp_path, inside):
  path = tmp_path / 'x.tar'
  os.mkfifo(path)
  with pytest.raises(UserError, match='x.tar is a named pipe, not a file'):
    source.find_files([str(tmp_path if inside else path)], ('.tar',))


def test_benchmarks_and_gin_files_tell_a_pipe(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  os.mkfifo('a.gin')
  for find in (gin_search.find, lambda name: gin_macros.read([name])):
    with pytest.raises(UserError, match='a.gin is a named pipe, not a file'):
      find('a.gin')
  split = Source(tmp_path, 'vqa', 'test', ('a.gin',), 'the web', '')
  with pytest.raises(UserError, match='a.gin is a named pipe, not a file'):
    split.read_text(0)


def test_prepared_folders_tell_a_pipe(tmp_path):
  os.mkfifo(tmp_path / 'manifest.json')
  with pytest.raises(UserError, match='manifest.json.*named pipe'):
    records.RecordDocuments(tmp_path)


def test_what_may_be_an_excluded_image_is_not_passed_over(tmp_path):
  (tmp_path / 'a.png').write_bytes(png(9))
  (tmp_path / 'notes.txt').write_text('not an image')
  assert len(fitting.identities_of_folder(tmp_path)) == 1
  os.mkfifo(tmp_path / 'b.png')
  with pytest.raises(UserError, match='b.png.*named pipe'):
    fitting.identities_of_folder(tmp_path)
