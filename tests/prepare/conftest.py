# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Runs of `flamingo prepare`, and folders of fetched images."""

import dataclasses
import functools
import pathlib

import pytest

from flamingo_jax import cli
from flamingo_jax.data import records
from flamingo_jax.data.documents import Document
from flamingo_jax.prepare import engine
from tests.prepare import exporters
from tests.prepare.counting import Counting


@dataclasses.dataclass
class Run:
  """What a run wrote and said."""

  out: pathlib.Path
  said: str
  told: str  # errors

  @functools.cached_property
  def manifest(self):
    return records.read_manifest(self.out)

  @property
  def drops(self) -> dict[str, int]:
    return {why: d['count'] for why, d in self.manifest['drops'].items()}

  @property
  def losses(self) -> dict[str, int]:
    return {why: d['count'] for why, d in self.manifest['losses'].items()}

  @property
  def documents(self) -> list[Document]:
    return list(records.RecordDocuments(self.out))

  @property
  def parts(self) -> list[tuple]:
    return [document.parts for document in self.documents]


@pytest.fixture
def prepare(tmp_path, capsys):
  """Runs the command in this process, which has to end with this status."""

  def run(*arguments, out='out', status=0):
    flags = ['--workers=0', *([f'--out={tmp_path / out}'] if out else [])]
    capsys.readouterr()
    found = cli.main(['prepare', *map(str, arguments), *flags])
    printed = capsys.readouterr()
    assert found == status, printed
    return Run(tmp_path / (out or ''), printed.out, printed.err)

  return run


@pytest.fixture
def refuse(prepare):
  """Runs what is wrong: the one line that the command says, a sentence."""

  def run(*arguments, **options):
    message = prepare(*arguments, status=2, **options).told
    assert message.count('\n') == 1 and 'Traceback' not in message, message
    sentence, _, remedy = message.rpartition('; ')
    assert sentence and remedy.strip(), message
    return message

  return run


@pytest.fixture
def fetched(tmp_path):
  """A flag with a folder as img2dataset writes it, of one picture."""
  folder = tmp_path / 'fetched'
  exporters.img2dataset_tar([(exporters.picture(), '')], folder)
  return f'--images={folder}'


@pytest.fixture
def paths(tmp_path):
  """What a source is given that reads nothing."""
  (tmp_path / 'input').touch()
  return (str(tmp_path / 'input'),)


@pytest.fixture
def unfinished(paths, monkeypatch):
  """Converts all units into a folder, and no more."""

  def run(out):
    with monkeypatch.context() as patch:
      patch.setattr(engine, '_write', lambda *_: 1 / 0)
      with pytest.raises(ZeroDivisionError):
        engine.prepare(Counting(paths), out, workers=0)
    return out

  return run
