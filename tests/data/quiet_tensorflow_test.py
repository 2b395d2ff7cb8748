# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What is said while TensorFlow is imported: no chatter, every error."""

import os
import subprocess
import sys

import pytest

_LOAD = """
from flamingo_jax.data import quiet_tensorflow
quiet_tensorflow.load()
"""
_CHATTERBOX = """
import os, types
os.write(2, b'I0000 00:00:1 it\\n')
config = types.SimpleNamespace(set_visible_devices=lambda *unused: None)
"""
_SPEAK = """
import os, signal
from flamingo_jax.data import quiet_tensorflow
with quiet_tensorflow._without_chatter():
  os.write(2, b'WARNING: All log messages before absl::InitializeLog() ...\\n')
  os.write(2, b'I0000 00:00:1.2 3 port.cc:153] oneDNN is on.\\n')
  os.write(2, b'E0000 00:00:1.2 3 x.cc:1] failed call to cuInit: none\\n')
  os.write(2, b'E0000 00:00:1.2 3 x.cc:1] a real error\\nno newline')
  {end}
os.write(2, b', and after')
"""


def stderr(code, **environ):
  result = subprocess.run(
      [sys.executable, '-c', code], stderr=subprocess.PIPE, check=False,
      env={k: v for k, v in os.environ.items()
           if k != 'TF_CPP_MIN_LOG_LEVEL'} | environ)
  return result.returncode, result.stderr.decode()


@pytest.mark.parametrize('level, said', [('1', ''), ('0', 'I0000 00:00:1 it\n')])
def test_all_is_shown_where_it_is_asked_for(tmp_path, level, said):
  # In the place of TensorFlow, which takes seconds.
  (tmp_path / 'tensorflow.py').write_text(_CHATTERBOX)
  (tmp_path / 'seqio.py').write_text('')
  code = f'import sys; sys.path.insert(0, {str(tmp_path)!r}){_LOAD}'
  assert stderr(code, TF_CPP_MIN_LOG_LEVEL=level) == (0, said)


def test_scikit_learn_is_there_for_all_but_keras(tmp_path):
  keras = 'try:\n  import sklearn\nexcept ImportError:\n  sklearn = None\n'
  (tmp_path / 'tensorflow.py').write_text(_CHATTERBOX + keras)
  for name in ('seqio.py', 'sklearn.py'):
    (tmp_path / name).write_text('')
  code = (
      f'import sys; sys.path.insert(0, {str(tmp_path)!r}){_LOAD}'
      'import sklearn, tensorflow; assert tensorflow.sklearn is None'
  )
  assert stderr(code) == (0, '')


ERROR = 'E0000 00:00:1.2 3 x.cc:1] a real error\nno newline'


@pytest.mark.parametrize('end, status, said', [
    ('', 0, ERROR + ', and after'),
    ('os.abort()', -6, ERROR),
    ('os.kill(0, signal.SIGTERM)', -15, ERROR),
])
def test_errors_are_shown_however_it_ends(end, status, said):
  code = _SPEAK.format(end=end)
  if 'kill' in end:  # the signal goes to this group, which must not be ours
    code = 'import os; os.setsid()' + code
  assert stderr(code) == (status, said)
