# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Text tasks from folders and files."""

import pytest

from flamingo_jax.data import pipeline
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.prepare import engine
from flamingo_jax.prepare.sources import jsonl
from flamingo_jax.tasks import massive_text, own_text
from tests.datasets import config, read, write_jsonl


def first(task, split='train'):
  lengths = {'tokens': 24, 'documents': 2}
  (batch,) = read(config(task, lengths, 1, split=split, shuffle=False), 1)
  real = batch[f'{task}/segments'] > 0
  return default_vocabulary().decode(batch[f'{task}/tokens'][real])


def test_prepared_text_is_read_and_sampled_as_chinchillas(tmp_path):
  for part in massive_text.WEIGHTS:
    file = write_jsonl(
        tmp_path / f'{part}.jsonl', *[[{'text': f'of {part}'}]] * 3
    )
    engine.prepare(
        jsonl.Jsonl((str(file),), text=True), tmp_path / part / 'train',
        workers=0,
    )
  assert massive_text.mixture(str(tmp_path)) == 'massive_text'
  assert first('books') == 'of booksof books'
  weights = pipeline.mixture_weights('massive_text')
  assert sum(weights.values()) == pytest.approx(1)
  assert weights['massive_web'] == 0.45 and weights['wikipedia'] == 0.01


def test_missing_folders_are_named(tmp_path):
  with pytest.raises(UserError, match='DATA_DIR=DIR.*massive_web/train'):
    massive_text.mixture('')
  with pytest.raises(UserError, match='books/train.*--text --out='):
    massive_text.mixture(str(tmp_path))


def test_own_texts_are_checked(tmp_path):
  file = write_jsonl(
      tmp_path / 'own.jsonl', [{'text': 'first'}], [{'text': 'second'}]
  )
  assert own_text.mixture(str(file)) == 'own_text'
  assert first('own_text') == 'firstsecond'
  with pytest.raises(UserError, match='pass --data=FILE.jsonl'):
    own_text.mixture('')
  (tmp_path / 'bad.jsonl').write_text('{"parts": [{"txt": "a"}]}\n')
  with pytest.raises(UserError, match='bad.jsonl:1: .*unknown key'):
    own_text.mixture(str(tmp_path / 'bad.jsonl'))
