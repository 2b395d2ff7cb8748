# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Models by their name on the hub, which a server of this process stands for."""

import hashlib
import http.server
import json
import re
import sys
import threading

from huggingface_hub import constants
import pytest

from flamingo_jax import cli
from tests.convert.conversion_test import model  # a fixture

COMMIT = '0123456789' * 4


class Hub(http.server.BaseHTTPRequestHandler):
  """Answers of a hub with the models of an owner, all of the same files."""

  def log_message(self, *args):
    pass

  def do_GET(self):
    self.server.paths.append(self.path)
    path = self.path.partition('?')[0]
    files = self.server.files
    if 'private' in path:
      return self.answer(401, b'', {'X-Error-Code': 'RepoNotFound'})
    if 'gated' in path:
      return self.answer(403, b'', {'X-Error-Code': 'GatedRepo'})
    if 'never' in path:
      return self.answer(404, b'', {'X-Error-Code': 'RevisionNotFound'})
    if 'ill' in path:
      return self.answer(500, b'', {})
    if '/tree/' in path:
      return self.answer_json([
          {'type': 'file', 'path': name, 'size': len(content), 'oid': 'x'}
          for name, content in files.items()
      ])
    if path.startswith('/api/'):
      return self.answer_json({
          'id': 'owner/model', 'sha': COMMIT,
          'siblings': [{'rfilename': name} for name in files],
      })
    content = files[path.split(f'/resolve/{COMMIT}/')[1]]
    etag = hashlib.sha1(content).hexdigest()
    self.answer(200, content, {'ETag': f'"{etag}"', 'X-Repo-Commit': COMMIT})

  do_HEAD = do_GET

  def answer_json(self, value):
    self.answer(200, json.dumps(value).encode(), {})

  def answer(self, status, content, headers):
    self.send_response(status)
    for name, value in headers.items():
      self.send_header(name, value)
    self.send_header('Content-Length', str(len(content)))
    self.end_headers()
    if self.command == 'GET':
      self.wfile.write(content)


@pytest.fixture
def hub(model, tmp_path, monkeypatch):
  """The server; its files are those of the model, and some that nobody needs."""
  server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Hub)
  server.paths = []
  server.files = {path.name: path.read_bytes() for path in model.iterdir()} | {
      'pytorch_model.bin': b'', 'onnx/model.json': b'{}',
      'consolidated.safetensors': b'', 'model.gguf': b'',
  }
  endpoint = f'http://127.0.0.1:{server.server_port}'
  # What HF_ENDPOINT and HF_HUB_CACHE set before the import.
  monkeypatch.setattr(constants, 'ENDPOINT', endpoint)
  template = endpoint + '/{repo_id}/resolve/{revision}/{filename}'
  monkeypatch.setattr(constants, 'HUGGINGFACE_CO_URL_TEMPLATE', template)
  monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'cache'))
  monkeypatch.chdir(tmp_path)
  thread = threading.Thread(target=server.serve_forever)
  thread.start()
  yield server
  server.shutdown()
  thread.join()
  server.server_close()


def convert(source, out='tower'):
  return cli.main(['convert', source, f'--out={out}'])


def test_a_model_of_the_hub_is_its_folder(hub, model, capsys):
  assert convert('owner/model@v2') == 0
  told = capsys.readouterr().out.splitlines()
  assert f'from owner/model of the hub, commit {COMMIT}' in told
  assert (model.parent / 'tower/report.txt').read_text().splitlines() == (
      told[:-1]
  )
  assert any('/revision/v2' in path for path in hub.paths)
  asked = {path.rsplit('/', 1)[1] for path in hub.paths if 'resolve' in path}
  assert asked == {path.name for path in model.iterdir()}

  assert convert(str(model), 'other') == 0
  other = capsys.readouterr().out.splitlines()
  assert other[:-3] + other[-2:-1] == told[:-3] + told[-2:-1]


def test_a_folder_goes_before_a_name_of_the_hub(hub, model):
  (model.parent / 'owner').mkdir()
  model.rename(model.parent / 'owner' / 'model')
  assert convert('owner/model') == 0
  assert not hub.paths


@pytest.mark.parametrize('source, words', [
    ('owner/private', 'owner/private does not exist, or is private; .*login'),
    ('owner/gated', 'accepted its terms; accept them on that page, then `hf auth'),
    ('owner/model@never', "has no branch, tag or commit 'never'"),
    ('owner/ill', r'cannot be reached \(.*500.*\), and the cache has no copy'),
    ('owner/mo--del', r'cannot be downloaded \(.*--'),
    ('a/b/c', 'a/b/c is not a folder; name one like those on the hub, or a model'),
])
def test_what_the_hub_does_not_give_is_told(hub, capsys, source, words):
  assert convert(source) == 2
  error = capsys.readouterr().err.splitlines()[-1]
  assert re.search(words, error), error


def test_a_hub_that_cannot_be_reached_is_told(hub, capsys, monkeypatch):
  monkeypatch.setattr(constants, 'ENDPOINT', 'http://127.0.0.1:9')
  assert convert('owner/model') == 2
  error = capsys.readouterr().err
  assert 'cannot be reached (' in error and 'the cache has no copy' in error


def test_the_package_is_told_where_it_is_missing(hub, capsys, monkeypatch):
  monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
  assert convert('owner/model') == 2
  assert 'huggingface_hub, which is not installed' in capsys.readouterr().err
