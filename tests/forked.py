# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Programs in processes that need not import JAX and TensorFlow first.

Importing them takes more than most programs of the tests do. A server, one for
all workers, has imported what others wrote, and nothing of ours or t5x's. It
forks for each program, which then is like `python -m MODULE` in all but that.
What matters while Python starts or TensorFlow is imported needs a `subprocess`.
"""

import gc
import importlib
import json
import os
import pathlib
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).parents[1]
IMPORTED = (
    'seqio', 'orbax.checkpoint', 'flax.linen', 'optax', 'clu.metric_writers',
    'av', 'matplotlib.pyplot',
)
# Nothing that is imported has read these yet.
READ_LATER = {
    'PYTHONPATH', 'XLA_FLAGS', 'JAX_COORDINATOR_ADDRESS', 'JAX_NUM_PROCESSES',
    'JAX_PROCESS_ID',
}
_ADDRESS = 'FORKED_PROGRAMS'  # names the socket that the server listens at
_starting = threading.Lock()
_kept = []  # of the process that started it: closing this ends the server
_asking = []  # the socket to the server, once somebody asks


def share():
  """Starts the server for this process and those that it starts."""
  folder = tempfile.TemporaryDirectory()
  address = os.path.join(folder.name, 'programs')
  ours, its = socket.socketpair()
  with its, socket.socket(socket.AF_UNIX) as listener:
    listener.bind(address)
    listener.listen()
    code = f'from tests import forked; forked.serve({listener.fileno()})'
    server = subprocess.Popen(  # pylint: disable=consider-using-with
        [sys.executable, '-c', code], pass_fds=[listener.fileno()],
        cwd=ROOT, stdin=its, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={k: v for k, v in os.environ.items() if k not in READ_LATER},
    )
  os.environ[_ADDRESS] = address
  _kept.extend([folder, ours, server])


def _server():
  """A socket to the server."""
  with _starting:
    if _ADDRESS not in os.environ:
      share()
    if not _asking:
      _asking.append(socket.socket(socket.AF_UNIX))
      _asking[0].connect(os.environ[_ADDRESS])
    return _asking[0]


class Program:
  """`python -m MODULE ARGUMENTS` at the root; like subprocess.Popen.

  Or `python SCRIPT ARGUMENTS`, of a path.
  """

  def __init__(self, module, *arguments, variables):
    assert variables.keys() <= READ_LATER, 'imports may have read it already'
    self._said = [tempfile.TemporaryFile('w+') for _ in range(2)]
    status, end = os.pipe()
    self._status = open(status, encoding='ascii')
    with tempfile.TemporaryFile('w+') as request:
      environ = dict(os.environ) | variables
      json.dump([str(module), [*map(str, arguments)], environ], request)
      request.seek(0)
      files = [request.fileno(), *(f.fileno() for f in self._said), end]
      socket.send_fds(_server(), [b'.'], files)
    os.close(end)
    self.pid = int(self._status.readline())
    self.returncode = None

  def poll(self):
    """The status it ended with, negative of a signal; None while it runs."""
    if self.returncode is None and select.select([self._status], [], [], 0)[0]:
      self.wait()
    return self.returncode

  def wait(self):
    """The status it ends with."""
    if self.returncode is None:
      self.returncode = int(self._status.readline())
      self._status.close()
    return self.returncode

  def send_signal(self, number):
    if self.poll() is None:
      os.kill(self.pid, number)

  def kill(self):
    self.send_signal(signal.SIGKILL)

  def communicate(self):
    """What it printed on stdout and on stderr until it ended."""
    self.wait()
    said = []
    for file in self._said:
      file.seek(0)
      said.append(file.read())
    return tuple(said)


def run(module, *arguments, variables):
  """(returncode, stdout, stderr), as subprocess.run gives them."""
  program = Program(module, *arguments, variables=variables)
  stdout, stderr = program.communicate()
  return subprocess.CompletedProcess(
      [module, *arguments], program.returncode, stdout, stderr
  )


def serve(listening):
  """Forks for each request until stdin is closed.

  Imports nothing before somebody asks.
  """
  ends, listener = socket.socket(fileno=os.dup(0)), socket.socket(fileno=listening)
  null = os.open(os.devnull, os.O_RDONLY)
  os.dup2(null, 0)
  sockets = [ends, listener]
  while ends not in (ready := select.select(sockets, [], [])[0]):
    for source in ready:
      if source is listener:
        sockets.append(listener.accept()[0])
        _import_all()
        continue
      asked, files, _, _ = socket.recv_fds(source, 1, 4)
      if not asked:
        sockets.remove(source)
        source.close()
        continue
      if os.fork() == 0:
        for each in sockets:
          each.close()
        _watch(*files)
        return
      for file in files:
        os.close(file)


def _import_all():
  for module in IMPORTED:
    importlib.import_module(module)
  # As flamingo_jax.data.quiet_tensorflow, which finds it imported.
  importlib.import_module('tensorflow').config.set_visible_devices([], 'GPU')
  # As tests/conftest.py, and what is imported is searched by no program.
  gc.set_threshold(100_000, 50, 100)
  gc.collect()
  gc.freeze()


def _watch(request, stdout, stderr, status):
  """Forks the program, tells its process and how it ended."""
  pid = os.fork()
  if pid:
    os.write(status, f'{pid}\n'.encode())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.write(status, f'{code}\n'.encode())
    os._exit(0)
  os.close(status)
  for file, number in (stdout, 1), (stderr, 2):
    os.dup2(file, number)
    os.close(file)
  with open(request, encoding='utf-8') as file:
    module, arguments, environ = json.load(file)
  os.environ.clear()
  os.environ.update(environ)
  found = environ.get('PYTHONPATH')
  script = os.path.isabs(module)
  sys.path[:1] = [
      os.path.dirname(module) if script else os.getcwd(),
      *(found.split(os.pathsep) if found else ()),
  ]
  sys.argv[1:] = arguments
  if script:
    runpy.run_path(module, run_name='__main__')
  else:
    runpy.run_module(module, run_name='__main__', alter_sys=True)
