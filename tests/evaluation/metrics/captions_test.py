# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Words and CIDEr against stored outputs of the official Java tokenizer."""

import os
import shutil

import numpy as np
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.metrics import CIDER, captions

RUNS = captions._runs.__wrapped__  # before conftest.py says that none does
TOKENIZED = {
    "A man's hat isn't on the table.": "a man 's hat is n't on the table",
    'Two dogs, one black and one white; both run!':
        'two dogs one black and one white both run',
    'The U.S. flag flies over a T.V. shop.':
        'the u.s. flag flies over a t.v. shop',
    'He cannot see the "stop" sign (red).':
        'he can not see the stop sign -lrb- red -rrb-',
    'A semi-truck/trailer parked at 5:30 p.m.':
        'a semi-truck/trailer parked at 5:30 p.m.',
    "I'm gonna go - really...": "i 'm gon na go really",
    "Don't stop. A cat sits here. It sleeps.":
        "do n't stop a cat sits here it sleeps",
    'w/ a hat and/or scarf': 'w / a hat and/or scarf',
    'Mr. Smith eats 3.5 lb. of fish for $2.00, etc. on it.':
        'mr. smith eats 3.5 lb of fish for $ 2.00 etc. on it',
    'someone [unknown] @ home': 'someone -lsb- unknown -rsb- @ home',
    'a  man   with\ttabs': 'a man with tabs',
    'Man in \u201cblue\u201d shirt': 'man in blue shirt',
    '.': '',
    '': '',
}
REFERENCES = (
    ('A man rides a wave on a surfboard.',
     'A surfer in the ocean (blue suit).'),
    ('Two dogs play in the snow.', "Dogs' day out: it's snowy!"),
    ('A pizza with cheese, olives, etc. on a table.',
     "There's a pizza on the table."),
    ('A red double-decker bus at 5:30 p.m.', "The bus doesn't stop."),
)
SAID = ('A man surfing a wave on a surfboard', 'Two dogs in the snow.',
        'a pizza on a table', 'a dog')
OFFICIAL = (2.965289547543249, 2.4786421060569213, 3.063474027782905,
            0.015151091433605029)


@pytest.mark.parametrize('caption', TOKENIZED)
def test_words_are_those_of_the_java_program(caption):
  assert captions.tokenize(caption) == TOKENIZED[caption]


def test_cider_is_that_of_the_official_program():
  targets = [{'answers': references} for references in REFERENCES]
  rows = CIDER.rows(targets, SAID)
  np.testing.assert_allclose(rows, OFFICIAL, rtol=1e-12)
  assert CIDER.score(rows) == pytest.approx(213.06391932)


def test_one_reference_each_that_is_repeated_has_the_highest_score():
  targets = [{'answers': (references[0],)} for references in REFERENCES]
  said = [references[0].upper() for references in REFERENCES]
  assert CIDER.score(CIDER.rows(targets, said)) == pytest.approx(1000)
  assert CIDER.score(CIDER.rows(targets, [''] * 4)) == 0


@pytest.mark.parametrize('count', [1, 3])
def test_cider_of_one_picture_is_refused(count):
  targets = [{'answers': REFERENCES[0]}] * count
  with pytest.raises(UserError, match='CIDEr is not defined for fewer than'):
    CIDER.rows(targets, [SAID[0]] * count)


@pytest.fixture
def java(tmp_path, monkeypatch):
  """Puts a program on PATH that is called as Java is: a shell script."""

  def put(script):
    path = tmp_path / 'java'
    path.write_text(f'#!/bin/sh\n{script}\n')
    path.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(captions, '_runs', RUNS)

  return put


def test_java_cuts_captions_into_words_where_it_runs(java):
  java('[ "$1" = -version ] || tr A-Z a-z | sed "s/$/ x--y ?/"')
  assert CIDER.tokenizer() == captions.JAVA
  assert captions.tokenize_all(['A\nman,', '', 'B']) == [
      'a man, x--y', ' x--y', 'b x--y'
  ]
  java('exit 1')  # macOS has one that only says where to get Java
  assert CIDER.tokenizer() == captions.NLTK
  assert captions.tokenize_all(['A man,']) == ['a man']


def test_java_that_loses_captions_is_told(java):
  java('[ "$1" = -version ] || { echo a; echo no room >&2; }')
  with pytest.raises(UserError, match='1 of 2 captions .*no room.* take it off'):
    captions.tokenize_all(['A', 'B'])


def test_the_official_program_gives_these_words(monkeypatch):
  if not shutil.which('java'):
    pytest.skip('there is no java here')
  monkeypatch.setattr(captions, '_runs', lambda java: True)
  assert dict(zip(TOKENIZED, captions.tokenize_all(list(TOKENIZED)))) == TOKENIZED
