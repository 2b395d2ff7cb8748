# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Apache Beam's local runner gives the bytes of the built-in engine."""

import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.prepare import engine
from tests.prepare.counting import Counting, Repeating, Wrong, digests

try:
  from flamingo_jax.prepare import beam
except ModuleNotFoundError:
  beam = None

needs_beam = pytest.mark.skipif(beam is None, reason=(
    "Apache Beam is not installed; it is in the extra 'beam', in an "
    'environment of its own.'
))


@needs_beam
@pytest.mark.parametrize('source', [Counting, Repeating])
@pytest.mark.parametrize('deduplicate', [False, True])
def test_both_engines_write_the_same_bytes(
    tmp_path, paths, source, deduplicate
):
  made = [
      engine.prepare(
          source(paths), tmp_path / name / 'train', shards=3, workers=0,
          deduplicate=deduplicate, engine=by,
      )
      for name, by in (('a', None), ('b', beam.Beam()))
  ]
  assert made[0] == made[1]
  assert digests(tmp_path / 'a' / 'train') == digests(tmp_path / 'b' / 'train')
  assert len(digests(tmp_path / 'b' / 'train')) == 5, 'nothing else is left'
  if source is Repeating and deduplicate:
    assert {
        'page was there before', 'text is that of an earlier document',
        'images are those of an earlier document',
    } <= set(made[0]['drops'])


@needs_beam
def test_what_processes_began_beam_ends(tmp_path, paths, unfinished):
  engine.prepare(Counting(paths), tmp_path / 'a' / 'train', workers=0)
  out = unfinished(tmp_path / 'b' / 'train')
  (out / 'working' / 'unit-000003.json').unlink()
  engine.prepare(Counting(paths), out, engine=beam.Beam())
  assert digests(out) == digests(tmp_path / 'a' / 'train')


@needs_beam
def test_an_item_that_kills_its_process_is_left_out(tmp_path, paths):
  source = Counting(paths, die_at=(12,))
  made = engine.prepare(source, tmp_path / 'out', engine=beam.Beam())
  assert made['drops']['item stopped the reader']['count'] == 1
  assert made['documents'] == 40 - 6 - 1


@needs_beam
def test_wrong_input_is_told_in_one_sentence(tmp_path, paths):
  with pytest.raises(UserError) as told:
    engine.prepare(Wrong(paths), tmp_path / 'out', engine=beam.Beam())
  assert str(told.value) == f'{paths[0]} has no column text; name one'


@pytest.fixture
def words(tmp_path):
  path = tmp_path / 'own.jsonl'
  path.write_text('{"parts": [{"text": "some words"}]}\n')
  return path


@needs_beam
def test_the_command_takes_options_of_beam(prepare, words):
  run = prepare(
      'jsonl', words, '--text', '--engine=beam',
      '--beam_options=--direct_num_workers=1 --job_name=words',
  )
  assert run.parts == [('some words',)] and '1 documents' in run.said


@pytest.mark.parametrize('flags, sentence', [
    (['--beam_options=--runner=X'], '--engine=beam; add'),
    pytest.param(
        ['--engine=beam'], 'environment of its own', marks=pytest.mark.skipif(
            beam is not None, reason='Apache Beam is installed.')),
])
def test_flags_that_cannot_be_are_told(prepare, words, flags, sentence):
  assert sentence in prepare('jsonl', words, *flags, status=2).told
