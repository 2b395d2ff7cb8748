# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""CIDEr of captions, with pycocoevalcap and without Java.

The official program cuts sentences into words with a Java program of Stanford.
nltk's Penn Treebank tokenizer follows the same rules; `tokenize` adds those by
which the two differ on captions.
"""

from collections.abc import Sequence
import re

import numpy as np

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.metrics.metric import Metric, Target

TOKENIZER = 'nltk-treebank'

# Of the official program, which lists brackets in upper case and removes them
# from lower-case text: they stay.
_PUNCTUATION = frozenset(
    ["''", "'", '``', '`', '.', '?', '!', ',', ':', '-', '--', '...', ';']
)
_BRACKETS = {
    '(': '-lrb-', ')': '-rrb-', '[': '-lsb-', ']': '-rsb-', '{': '-lcb-',
    '}': '-rcb-',
}


# Words that keep their full stop.
_ABBREVIATIONS = frozenset(
    ['mr.', 'mrs.', 'ms.', 'dr.', 'st.', 'jr.', 'sr.', 'prof.', 'etc.', 'vs.']
)
_QUOTES = str.maketrans('\u2018\u2019\u201c\u201d', '\'\'""')


def tokenize(caption: str) -> str:
  """Lower-case words without punctuation, as PTBTokenizer gives captions."""
  from nltk.tokenize import TreebankWordTokenizer

  text = ' '.join(caption.lower().translate(_QUOTES).split())
  text = re.sub(r'\bw/(?=\s|$)', 'w /', text).replace('*', ' * ')
  words = []
  # With an end of its own a caption keeps the full stop of a last 'p.m.'.
  for word in TreebankWordTokenizer().tokenize(text + ' .'):
    # Sentences may end inside a caption; nltk expects one at a time.
    is_abbreviation = word in _ABBREVIATIONS or re.search(r'\.[^.]+\.$', word)
    if word.endswith('.') and len(word) > 1 and not is_abbreviation:
      word = word.rstrip('.')
    word = _BRACKETS.get(word, word)
    if word and word not in _PUNCTUATION:
      words.append(word)
  return ' '.join(words)


def _cider(targets: Sequence[Target], predictions: Sequence[str]) -> np.ndarray:
  """CIDEr of each caption; word weights are those of all references.

  Raises:
    UserError: fewer than two pictures, or all with the same references: then
      every word is in every picture and weighs nothing.
  """
  references = {
      i: [tokenize(answer) for answer in target['answers']]
      for i, target in enumerate(targets)
  }
  if len({tuple(sorted(texts)) for texts in references.values()}) < 2:
    raise UserError(
        'CIDEr is not defined for fewer than two pictures with different '
        'captions, as it weighs words by how few pictures have them: evaluate '
        'more'
    )
  try:
    from pycocoevalcap.cider.cider import Cider
  except ImportError:
    raise UserError(
        "CIDEr needs pycocoevalcap: pip install -e '.[eval]' -c constraints.txt"
    ) from None
  said = {i: [tokenize(text)] for i, text in enumerate(predictions)}
  _, scores = Cider().compute_score(references, said)
  return np.asarray(scores)


# The formula has a factor of 10 in it, and tables have it times 100.
CIDER = Metric('cider', 1, _cider, notes=f'tokenizer {TOKENIZER}')
