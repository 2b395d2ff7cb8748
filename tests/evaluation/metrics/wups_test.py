# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""WUPS worked by hand, over a WordNet of a few words."""

import nltk
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.metrics import WUPS, wups

ALIKE = {frozenset(('boy', 'girl')): 0.8, frozenset(('sofa', 'bed')): 0.5}


def alike(one, other):
  return 1.0 if one == other else ALIKE.get(frozenset((one, other)), 0.0)


@pytest.mark.parametrize('one, other, expected', [
    ('boy', 'girl', 0.8),
    ('boy sofa', 'girl bed', 0.4),
    # 'boy' is best served by 'boy'; the other direction has a 0.8.
    ('boy', 'boy girl', 0.8),
    ('boy runs', 'girl', 0.8),  # a word that is like none is left out
    ('runs', 'girl', 0.0),
    ('', 'girl', 0.0),
])
def test_wups_of_two_answers(one, other, expected):
  for a, b in ((one, other), (other, one)):
    assert wups.wups(a.split(), b.split(), alike) == pytest.approx(expected)


class Wordnet:
  """The two functions of nltk's reader that are asked."""

  def morphy(self, word, pos=None):
    return {'takes': 'take', 'boys': 'boy'}.get(word)

  def synsets(self, word):
    return []


def test_a_prediction_has_its_best_reference(monkeypatch):
  monkeypatch.setattr(wups, 'wordnet', Wordnet)
  asked = [
      {'answers': ('the boy',), 'record': {'type': 'CW'}},
      {'answers': ('a dog', 'takes a ball'), 'record': {'type': 'DO'}},
      {'answers': ('two',), 'record': {'type': 'DC'}},
      {'answers': ('two',), 'record': {'type': 'DC'}},
      {'answers': ('two',), 'record': {'type': 'CH'}},
  ]
  rows = WUPS.rows(asked, ['boys', 'take the ball', 'two cats', 'Two', ''])
  assert rows.tolist() == [1, 1, 0, 1, 0]


def test_the_real_wordnet_gives_what_nltk_documents():
  """The similarities of nltk's own howto for WordNet."""
  wups.wordnet.cache_clear()
  try:
    wups.wordnet()
  except UserError:
    pytest.skip('WordNet, which nltk does not bring along, is not here')
  assert wups.similarity('dog', 'cat') == pytest.approx(6 / 7)
  assert wups.words('playing the guitars') == ['play', 'guitar']
  assert wups.similarity('dog', 'nosuchword') == 0


@pytest.mark.parametrize('name, sentence', [
    ('wordnet', 'all its files in corpora/wordnet'),  # a folder without them
    ('no_such_wordnet', "'python -m nltk.downloader wordnet'"),
])
def test_wordnet_that_is_not_whole_is_one_sentence(
    tmp_path, monkeypatch, name, sentence
):
  wups.wordnet.cache_clear()
  (tmp_path / 'corpora' / 'wordnet').mkdir(parents=True)
  monkeypatch.setattr(nltk.data, 'path', [str(tmp_path)])
  monkeypatch.setattr(
      nltk.corpus, 'wordnet',
      nltk.corpus.util.LazyCorpusLoader(
          name, nltk.corpus.reader.WordNetCorpusReader, None
      ),
  )
  with pytest.raises(UserError, match=sentence):
    wups.words('dog')
