# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The program: its port, its log, its token, and how it ends."""

from concurrent import futures
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from flamingo_jax import cli
from flamingo_jax.commands import serving as command
from flamingo_jax.errors import UserError
from tests import command_examples
from tests.serving.http_client import CHAT, Client


def free_port():
  with socket.socket() as found:
    found.bind(('127.0.0.1', 0))
    return found.getsockname()[1]


def test_what_runs_is_finished_at_sigterm_also_without_a_log():
  port = free_port()
  words = command_examples.arguments('serve', 0, {'8000': port})
  with open('/dev/full', 'wb') as full:
    program = subprocess.Popen(
        [sys.executable, '-m', 'flamingo_jax.cli', *words], stderr=full
    )
  client = Client(port)
  try:
    while True:  # until it listens; it answers when the model is there
      try:
        assert client.ask('/healthz')[0] == 200
        break
      except ConnectionRefusedError:
        assert program.poll() is None
        time.sleep(0.1)
    assert client.metric('flamingo_lost_log_lines_total') > 0
    body = {
        'messages': [{'role': 'user', 'content': 'a small'}], 'max_tokens': 9
    }
    with futures.ThreadPoolExecutor(1) as pool:
      # It has to be compiled first: it does not end before the signal.
      asked = pool.submit(client.ask, CHAT, body)
      while not client.metric('flamingo_programs_total'):
        time.sleep(0.01)
      program.send_signal(signal.SIGTERM)
      status, found = asked.result()
    assert status == 200 and found['choices'][0]['finish_reason']
    with pytest.raises(ConnectionRefusedError):
      client.ask('/healthz')
    assert program.wait(30) == 0
  finally:
    program.kill()
    program.wait()


def test_a_port_that_is_taken_is_told_in_one_sentence(capsys):
  with socket.socket() as taken:
    taken.bind(('127.0.0.1', 0))
    taken.listen()
    port = taken.getsockname()[1]
    assert cli.main(['serve', f'--port={port}']) == 2
  assert capsys.readouterr().err == (
      f'error: port {port} of 127.0.0.1 is taken, perhaps by another server: '
      'end it, or give another --port\n'
  )
  assert cli.main(['serve', '--host=no such host']) == 2
  assert "give another --host" in capsys.readouterr().err


def test_tokens_are_one_line_of_a_file(tmp_path):
  file = tmp_path / 'token'
  file.write_text('a-secret\n')
  assert command.read_token(str(file)) == 'a-secret'
  for text in ('', '\n', 'two\nlines', 'two words', 'sécret'):
    file.write_text(text)
    with pytest.raises(UserError, match='holds no token'):
      command.read_token(str(file))
  file.write_bytes(os.urandom(8) + b'\xff')
  with pytest.raises(UserError, match='token file'):
    command.read_token(str(file))
  with pytest.raises(UserError, match='cannot be read'):
    command.read_token(str(tmp_path))
