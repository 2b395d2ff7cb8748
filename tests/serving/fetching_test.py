# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of the web come from the hosts that are named, and no others."""

import functools
import http.server
import threading

import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.serving import fetching


class Files(http.server.SimpleHTTPRequestHandler):
  """Files, and a way to another host."""

  def do_GET(self):
    if self.path == '/away':
      self.send_response(302)
      self.send_header('Location', 'http://localhost/secret')
      self.end_headers()
    else:
      super().do_GET()

  def log_message(self, *_):
    pass


def test_pictures_come_from_named_hosts_alone(tmp_path):
  (tmp_path / 'a.png').write_bytes(b'12345')
  with http.server.ThreadingHTTPServer(
      ('127.0.0.1', 0), functools.partial(Files, directory=tmp_path)
  ) as server:
    threading.Thread(target=server.serve_forever).start()
    try:
      address = f'http://127.0.0.1:{server.server_port}'
      fetch = lambda path, most=5: fetching.fetch(
          address + path, {'127.0.0.1'}, most
      )
      assert fetch('/a.png') == b'12345'
      for path, most, sentence in (
          ('/a.png', 4, 'more than 4 bytes'), ('/b.png', 9, '404'),
          ('/away', 9, "nothing is fetched from 'localhost'"),
      ):
        with pytest.raises(UserError, match=sentence):
          fetch(path, most)
      with pytest.raises(UserError, match='nothing is fetched from'):
        fetching.fetch(f'{address}/a.png', set(), 5)
    finally:
      server.shutdown()
