# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Documents of text, side by side in a row."""

import numpy as np
import pytest

from flamingo_jax.data import text
from flamingo_jax.data.documents import Document, JsonlDocuments, Text
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from tests import datasets

VOCABULARY = default_vocabulary()
BOS, EOS, PAD = VOCABULARY.bos_id, VOCABULARY.eos_id, VOCABULARY.pad_id
LENGTHS = {'tokens': 40, 'documents': 3}
RED, BLUE = (VOCABULARY.encode(f' {word}')[0] for word in ('red', 'blue'))


def document(words, number):
  return Document((words,), f'test:{number}', number)


def test_a_row_drawn_out():
  found = [document(' red', 7), document(' blue blue', 8), document(' red', 9)]
  row = text.pack(found, 7, 4, VOCABULARY, None)
  expected = {
      'tokens': [BOS, RED, BOS, BLUE, BLUE, BOS, RED],
      'targets': [RED, EOS, BLUE, BLUE, EOS, RED, EOS],
      'loss_weights': [1] * 7,
      'segments': [1, 1, 2, 2, 2, 3, 3],
      'example_id': [7, 8, 9, -1],
  }
  assert {key: x.tolist() for key, x in row.items()} == expected
  short = text.pack(found, 4, 4, VOCABULARY, None)
  assert short['targets'].tolist() == [RED, EOS, BLUE, BLUE]
  assert short['example_id'].tolist() == [7, 8, -1, -1]
  long = text.pack(found[:1], 4, 4, VOCABULARY, None)
  assert long['tokens'].tolist() == [BOS, RED, PAD, PAD]
  assert long['segments'].tolist() == [1, 1, 0, 0]
  assert long['loss_weights'].tolist() == [1, 1, 0, 0]


def test_a_long_document_gives_its_windows():
  found = [document(' red blue' * 20, 0)]
  rows = [
      text.pack(found, 6, 1, VOCABULARY, np.random.default_rng(seed))
      for seed in range(200)
  ]
  assert len({tuple(row['tokens']) for row in rows}) == 3  # <BOS>, two colours
  for row in rows:
    assert row['tokens'][1:].tolist() == row['targets'][:-1].tolist()


def test_a_token_has_the_weight_of_its_last_character():
  parts = ('star is ', Text('blue', 2.5), ' é', Text(' red', 0.25))
  ids, weights = text.tokenize(Document(parts, 'test', 0), VOCABULARY)
  whole = VOCABULARY.encode('star is blue é red')
  assert ids.tolist() == [BOS, *whole, EOS]
  by_name = dict(zip(VOCABULARY.pieces(ids), weights.tolist()))
  blue, red = (VOCABULARY.pieces([x])[0] for x in (BLUE, RED))
  assert by_name[blue] == 2.5 and by_name[red] == by_name['<EOS>'] == 0.25
  assert by_name['<BOS>'] == 1.0
  assert sorted(set(weights.tolist())) == [0.25, 1.0, 2.5]


@pytest.fixture
def task(tmp_path):
  path = datasets.write_jsonl(
      tmp_path / 'own.jsonl', *([{'text': f'document {i}'}] for i in range(11))
  )
  text.add_task('text_test', {'train': lambda: JsonlDocuments(path, False)})
  return 'text_test'


def test_an_epoch_has_every_document_once(task):
  batches = datasets.read(datasets.config(task, LENGTHS, 4), 3)
  ids = [batch[f'{task}/example_id'] for batch in batches]
  rows = np.concatenate(ids).reshape(-1, 3)  # 4 rows an epoch
  for epoch in range(3):
    found = rows[4 * epoch : 4 * epoch + 4].ravel()
    assert sorted(found) == [-1, *range(1, 12)]
  assert not np.array_equal(rows[:4], rows[4:8])


def test_what_does_not_fit_is_one_sentence(task, tmp_path):
  cfg = datasets.config(task, {'tokens': 12, 'media': 1}, 4)
  with pytest.raises(UserError, match="wrong at 'documents'.*'tokens': 2048"):
    datasets.read(cfg, 1)
  path = tmp_path / 'pictures.jsonl'
  path.write_text('{"parts": [{"image": "a.png"}, {"text": "a"}]}\n')
  with pytest.raises(UserError, match='(?s)a.png|text alone'):
    JsonlDocuments(path, media=False)
