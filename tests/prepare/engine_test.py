# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The same bytes with any number of workers, however often it is killed."""

import dataclasses
import os

import pytest

from flamingo_jax.data import records
from flamingo_jax.errors import UserError
from flamingo_jax.prepare import engine
from flamingo_jax.prepare import spool
from flamingo_jax.prepare.source import Dropped
from tests.prepare.counting import Counting, digests


@pytest.fixture
def expected(tmp_path, paths):
  engine.prepare(Counting(paths), tmp_path / 'a' / 'train', shards=3, workers=0)
  return digests(tmp_path / 'a' / 'train')


def test_workers_change_no_byte_nor_does_one_that_dies(
    tmp_path, paths, expected
):
  source = Counting(paths)
  out = tmp_path / 'b' / 'train'
  engine.prepare(source, out, shards=3, workers=2)
  assert digests(out) == expected
  assert len(expected) == 5


def test_an_item_that_kills_its_worker_is_left_out(tmp_path, paths):
  out = tmp_path / 'out'
  source = Counting(paths, die_at=(12,), die_once=str(tmp_path / 'died'))
  made = engine.prepare(source, out, workers=1)
  assert made['drops']['item stopped the reader']['count'] == 1
  assert 'item 12' in made['drops']['item stopped the reader']['first']
  texts = [d.parts[1] for d in records.RecordDocuments(out)]
  assert 'This is 11.' in texts, 'it died there once'
  assert made['documents'] == 40 - 6 - 1


# The plan, two files for each of 8 pieces, each of 3 shards and its note, the
# manifest.
@pytest.mark.parametrize('after', [0, 1, 2, 9, 17, 18, 22, 23])
def test_a_run_that_ends_anywhere_goes_on(
    tmp_path, paths, expected, monkeypatch, after
):
  """Ends after some files have been moved into place, then runs again."""
  out = tmp_path / 'b' / 'train'
  replace, calls = os.replace, []

  def fail_later(*arguments):
    calls.append(arguments)
    if len(calls) > after:
      raise KeyboardInterrupt  # nothing handles it, as nothing does SIGKILL
    replace(*arguments)

  with monkeypatch.context() as patch:
    patch.setattr(os, 'replace', fail_later)
    with pytest.raises(KeyboardInterrupt):
      engine.prepare(Counting(paths), out, shards=3, workers=0)
  assert not (out / 'manifest.json').exists()
  engine.prepare(Counting(paths), out, shards=3, workers=0)
  assert digests(out) == expected
  # And once more, when there is nothing left to do.
  engine.prepare(Counting(paths), out, shards=3, workers=0)
  assert digests(out) == expected


def test_a_finished_unit_is_not_converted_again(
    tmp_path, paths, unfinished, monkeypatch
):
  out = unfinished(tmp_path / 'out')
  assert spool.is_done(out / 'working', 7)
  monkeypatch.setattr(Counting, 'convert', lambda *_: 1 / 0)
  assert engine.prepare(Counting(paths), out, workers=0)['documents'] == 34


def test_the_manifest_counts(tmp_path, paths):
  made = engine.prepare(Counting(paths), tmp_path / 'out', workers=0)
  assert (made['items'], made['documents'], made['images']) == (40, 34, 34)
  assert made['drops'] == {
      'seventh': {'count': 6, 'first': 'item 3: 3'}
  }
  assert made['source'] == 'counting' and made['options']['count'] == 40


@pytest.mark.parametrize('options, sentence', [
    ({'shards': 0}, 'shards is 0'), ({'workers': -1}, 'workers is -1'),
    ({'image_size': -1}, 'image_size'), ({'shards': 99}, '--shards=34'),
])
def test_wrong_options_are_told(tmp_path, paths, options, sentence):
  with pytest.raises(UserError, match=sentence):
    engine.prepare(
        Counting(paths), tmp_path / 'out', **{'workers': 0, **options})


def test_a_folder_with_something_else_is_left_alone(tmp_path, paths):
  (tmp_path / 'mine').mkdir()
  (tmp_path / 'mine' / 'letter').touch()
  with pytest.raises(UserError, match='already exists'):
    engine.prepare(Counting(paths), tmp_path / 'mine', workers=0)
  assert os.listdir(tmp_path / 'mine') == ['letter']
  engine.prepare(Counting(paths), tmp_path / 'out', workers=0)
  with pytest.raises(UserError, match='already exists'):
    engine.prepare(Counting(paths, count=9), tmp_path / 'out', workers=0)


def test_an_unfinished_run_of_other_options_is_told(
    tmp_path, paths, unfinished
):
  out = unfinished(tmp_path / 'out')
  with pytest.raises(UserError, match='image_size 320, not 64'):
    engine.prepare(Counting(paths), out, workers=0, image_size=64)


def test_nothing_left_says_why(tmp_path, paths):
  @dataclasses.dataclass(frozen=True)
  class Nothing(Counting):
    def convert(self, item, fitter):
      raise Dropped('no good', 'at all')

  told = r'input: no document is left of 40 items: 40 times no good \(item 0: '
  with pytest.raises(UserError, match=f'{told}at all.*; fix'):
    engine.prepare(Nothing(paths), tmp_path / 'out', workers=0)


def test_a_full_disk_is_told_and_the_run_goes_on(
    tmp_path, paths, expected, monkeypatch
):
  def full(*_):
    raise OSError(28, 'No space left on device')

  out = tmp_path / 'b' / 'train'
  with monkeypatch.context() as patch:
    patch.setattr(spool.Writer, 'add', full)
    with pytest.raises(UserError, match='No space left.*run the same'):
      engine.prepare(Counting(paths), out, shards=3, workers=0)
  engine.prepare(Counting(paths), out, shards=3, workers=0)
  assert digests(out) == expected
