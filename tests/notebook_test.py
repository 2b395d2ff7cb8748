# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""docs/tutorial.ipynb runs, and shows what its text says."""

import os
import pathlib
import sys

import nbclient
import nbformat

from tests.xla_flags import QUICK

NOTEBOOK = pathlib.Path(__file__).parents[1] / 'docs/tutorial.ipynb'
CLAIMS = '''
assert over_shots[0] < 0.7 and over_shots[8] > 0.9, over_shots
assert 0.3 < shuffled < 0.7, shuffled
assert losses[10] < losses[5], losses
assert sees.sum(0).min() > 0 and sees.sum(1).max() == 1
'''


def test_the_tutorial(tmp_path, monkeypatch):
  monkeypatch.setenv(
      'PATH', f'{pathlib.Path(sys.executable).parent}:{os.environ["PATH"]}'
  )
  monkeypatch.setenv('XLA_FLAGS', QUICK)  # one device
  notebook = nbformat.read(NOTEBOOK, as_version=4)
  assert all(
      cell.execution_count for cell in notebook.cells
      if cell.cell_type == 'code'
  ), 'it is committed as it was executed'
  notebook.cells.append(nbformat.v4.new_code_cell(CLAIMS))
  nbclient.NotebookClient(
      notebook, timeout=300, resources={'metadata': {'path': str(tmp_path)}}
  ).execute()
