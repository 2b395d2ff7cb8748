# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""WUPS of open-ended answers, as NExT-QA computes it (WordNet, threshold 0).

Two things of its program are not repeated: pywsd, which is no longer kept up,
reduces words there; here WordNet does, as a verb or a noun. And its list of 156
stop words, of which answers have the short ones below.
"""

from collections.abc import Callable, Sequence
import functools
import re
from typing import Any

import numpy as np

from flamingo_jax.evaluation.metrics.metric import Metric, Target, Unavailable

# Counted and binary questions: right or wrong.
_EXACT = frozenset({'DB', 'DC'})
_STOP_WORDS = frozenset("""
    a an the i me my we our you your he him his she her it its they them their
    this that these those am is are was were be been being have has had do does
    did and but or of at for with about into to from by if as s t
""".split())

Similarity = Callable[[str, str], float]


@functools.cache
def wordnet() -> Any:
  """nltk's WordNet.

  Raises:
    Unavailable: nltk or its data is missing.
  """
  try:
    from nltk.corpus import wordnet as corpus

    corpus.ensure_loaded()
  except ImportError:
    raise Unavailable(
        "WUPS needs nltk: pip install -e '.[eval]' -c constraints.txt"
    ) from None
  except (LookupError, OSError):  # OSError: some of its files are missing
    raise Unavailable(
        "WUPS needs WordNet, which nltk does not bring along: run 'python -m "
        "nltk.downloader wordnet', or copy that package's folder to another "
        'machine, all its files in corpora/wordnet of the folder that NLTK_DATA '
        'names'
    ) from None
  return corpus


def similarity(one: str, other: str) -> float:
  """Wu-Palmer similarity of the first senses; 0 where WordNet lacks one."""
  if one == other:
    return 1.0
  senses = [wordnet().synsets(word) for word in (one, other)]
  if not all(senses):
    return 0.0
  return senses[0][0].wup_similarity(senses[1][0]) or 0.0


def words(text: str) -> list[str]:
  """What counts of an answer: its words in their basic forms."""
  found = re.findall(r"[a-z0-9]+", text.lower())
  basic = [
      wordnet().morphy(word, 'v') or wordnet().morphy(word) or word
      for word in found if word not in _STOP_WORDS
  ]
  return [word for word in basic if word not in _STOP_WORDS]


def wups(
    one: Sequence[str], other: Sequence[str], alike: Similarity = similarity
) -> float:
  """The smaller of both directions' products of best similarities.

  Words that are like no other are left out, as NExT-QA does; an answer with
  none that is like any scores 0.
  """

  def direction(these, those):
    best = [max((alike(a, b) for b in those), default=0.0) for a in these]
    best = [value for value in best if value]
    return float(np.prod(best)) if best else 0.0

  return min(direction(one, other), direction(other, one))


def _wups(targets: Sequence[Target], predictions: Sequence[str]) -> np.ndarray:
  """Each answer's best WUPS; record['type'] is that of the question."""
  values = []
  for target, prediction in zip(targets, predictions, strict=True):
    said = words(prediction)
    right = [words(answer) for answer in target['answers']]
    if target['record']['type'] in _EXACT:
      values.append(float(said in right))
    else:
      values.append(max(wups(said, answer) for answer in right))
  return np.array(values)


WUPS = Metric('wups', 1, _wups, notes='WordNet forms instead of pywsd')
