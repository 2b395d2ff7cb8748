# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The table agrees with what training uses."""

import numpy as np

from flamingo_jax.data import interleaved
from flamingo_jax.data import vocabulary as vocabulary_lib
from flamingo_jax.data.documents import Document, Media, image
from flamingo_jax.prepare import explain

PICTURE = image(np.zeros((4, 4, 3), np.uint8))
VOCABULARY = vocabulary_lib.default_vocabulary()


def rows(parts, **options):
  table = explain.explain(parts, VOCABULARY, **options)
  return [line.split() for line in table.splitlines()[1:]]


def test_a_small_document():
  table = explain.explain(['A', Media('image', '/far/away/cat.jpg'), ' cat'],
                          VOCABULARY)
  assert table == '''
position  token  sees               loss
       0  <BOS>  none                  0
       1  A      none                  1
       2  <EOC>  none                  1
       3  <      image 1 (cat.jpg)     0
       4  image  image 1 (cat.jpg)     0
       5  >      image 1 (cat.jpg)     0
       6  ▁cat   image 1 (cat.jpg)     1
       7  <EOC>  image 1 (cat.jpg)     1
       8  <EOS>  image 1 (cat.jpg)     1'''.lstrip('\n')


def test_rows_agree_with_the_training_example():
  parts = ('Two:', PICTURE, 'first\n', PICTURE, 'second')
  for next_media in (False, True):
    example = interleaved.make_example(
        Document(parts, 'test', 0), length=64, max_media=5, frames=1,
        image_size=4, vocabulary=VOCABULARY, rng=np.random.default_rng(0),
        p_next=float(next_media),
    )
    table = rows(parts, next_media=next_media)
    count = len(table)
    for i, row in enumerate(table[:-1]):
      index = example['media_index'][i]
      assert (f'image {index} ' if index else ' none ') in ' '.join(row)
    weights = [float(row[-1]) for row in table]
    assert weights[0] == 0
    assert weights[1:] == example['loss_weights'][: count - 1].tolist()


def test_a_prompt_stays_open():
  assert rows([PICTURE, 'Output:'], close=False)[-1][1] == ':'
  assert rows([PICTURE, 'Output:'])[-1][1] == '<EOS>'


def test_every_token_is_one_line():
  parts = [PICTURE, 'a\n\nb\t\u2028 \x00']
  tokens = interleaved.tokenize_document(parts, VOCABULARY).tokens
  assert len(rows(parts)) == len(tokens)
