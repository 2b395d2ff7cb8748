# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Stems of OK-VQA against outputs of OpenFlamingo's ok_vqa_utils.py."""

import nltk
import pytest

from flamingo_jax.evaluation.metrics import VQA_ACCURACY_STEMMED, okvqa
from flamingo_jax.evaluation.metrics.metric import Unavailable

_LEMMAS = {'running': 'run', 'ring': 'ring', 'playing': 'play'}
_PLURALS = {'dogs', 'buses', 'boxes', 'children', 'knives', 'gloves', 'leaves'}


@pytest.fixture
def words(monkeypatch):
  """In the place of nltk's data, a few words."""

  class Lemmatizer:

    def lemmatize(self, word, pos):
      assert pos == 'v'
      return _LEMMAS.get(word, word)

  monkeypatch.setattr(nltk.tokenize, 'word_tokenize', str.split)
  monkeypatch.setattr(nltk, 'pos_tag', lambda words: [
      (word, 'NNS' if word in _PLURALS else 'NN') for word in words
  ])
  monkeypatch.setattr(nltk.stem, 'WordNetLemmatizer', Lemmatizer)
  okvqa.stem.cache_clear()
  yield
  okvqa.stem.cache_clear()


@pytest.mark.parametrize('answer, stemmed', [
    ('dogs', 'dog'),
    ('2 buses', '2 bus'),
    ('boxes of children', 'box of child'),
    ('knives', 'knife'),
    ('running dogs', 'run dog'),
    ('ring', 'ring'),
    ('skiing', 'skiing'),  # none that its dictionary has
    ('gloves', 'glove'),  # an exception, as below
    ('leaves', 'leaf'),
    ('morning vacationing', 'morn vacate'),
    ("domino's tennis", 'domino tennis'),
    ('cats', 'cats'),  # no plural by its tagger
    ('', ''),
])
def test_stems(words, answer, stemmed):
  assert okvqa.stem(answer) == stemmed


def test_accuracy_is_of_stems_on_both_sides(words):
  targets = [{
      'answers': ['dogs'] * 4 + ['cat'] * 6,
      'record': {'stems': ['The dog'] * 4 + ['cat'] * 6},
  }] * 3
  rows = VQA_ACCURACY_STEMMED.rows(targets, ['dogs', 'a dog.', 'cats'])
  assert rows.tolist() == pytest.approx([1, 1, 0])


def test_data_that_lack_are_one_sentence(tmp_path, monkeypatch):
  okvqa.stem.cache_clear()
  monkeypatch.setattr(nltk.data, 'path', [str(tmp_path)])
  with pytest.raises(Unavailable, match='nltk.downloader wordnet punkt_tab aver'):
    okvqa.stem('two dogs')
