# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""CIDEr of captions, with pycocoevalcap.

The official program cuts sentences into words with a Java program of Stanford,
which pycocoevalcap brings along; where `java` is found, so do we. nltk's Penn
Treebank tokenizer follows the same rules; `tokenize` adds those by which the two
differ on captions.
"""

from collections.abc import Iterator, Sequence
import functools
import pathlib
import re
import shutil
import subprocess

import numpy as np

from flamingo_jax.errors import UserError, shown
from flamingo_jax.evaluation.metrics.metric import Metric, Target, Unavailable

NLTK, JAVA = 'nltk-treebank', 'stanford-ptb-3.4.1'
_JAR = 'stanford-corenlp-3.4.1.jar'

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


def tokenizer() -> str:
  """Which of the two programs cuts captions into words on this machine."""
  java = shutil.which('java')
  return JAVA if java and _runs(java) else NLTK


@functools.cache
def _runs(java: str) -> bool:
  """False of macOS' own, which only says where to get one."""
  return not subprocess.run(
      [java, '-version'], capture_output=True, check=False
  ).returncode


def tokenize_all(captions: Sequence[str]) -> list[str]:
  """The words of each caption, by that program.

  Raises:
    UserError: `java` is there and fails.
  """
  if tokenizer() == NLTK:
    return list(map(tokenize, captions))
  # What ends a line for Java would be two captions.
  lines = [' '.join(caption.split()) for caption in captions]
  return [
      ' '.join(word for word in line.split(' ') if word not in _PUNCTUATION)
      for line in _run_java(lines)
  ]


def _run_java(lines: Sequence[str]) -> list[str]:
  """PTBTokenizer's words of each line; pycocoevalcap's call of it, but for two.

  That one writes its input into the folder of the package, which may not be its
  user's, and reads it in the encoding of the terminal.
  """
  import pycocoevalcap.tokenizer

  jar = pathlib.Path(next(iter(pycocoevalcap.tokenizer.__path__)), _JAR)
  program = [
      'java', '-cp', str(jar), 'edu.stanford.nlp.process.PTBTokenizer',
      '-preserveLines', '-lowerCase', '-charset', 'UTF-8',
  ]
  done = subprocess.run(
      program, input=''.join(f'{line}\n' for line in lines).encode(errors='replace'),
      capture_output=True, check=False,
  )
  found = done.stdout.decode(errors='replace').split('\n')[:-1]
  if done.returncode or len(found) != len(lines):
    told = done.stderr.decode(errors='replace').strip()
    raise UserError(
        f'{shutil.which("java")} ended with status {done.returncode} and '
        f'{len(found)} of {len(lines)} captions ({shown(told)}): fix it, or '
        'take it off PATH and captions are cut into words by nltk'
    )
  return [line.rstrip() for line in found]


def _cider(targets: Sequence[Target], predictions: Sequence[str]) -> np.ndarray:
  """CIDEr of each caption; word weights are those of all references.

  Raises:
    UserError: fewer than two pictures, or all with the same references: then
      every word is in every picture and weighs nothing.
  """
  try:
    from pycocoevalcap.cider.cider import Cider
  except ImportError:
    raise Unavailable(
        "CIDEr needs pycocoevalcap: pip install -e '.[eval]' -c constraints.txt"
    ) from None
  answers = [text for target in targets for text in target['answers']]
  words: Iterator[str] = iter(tokenize_all([*answers, *predictions]))
  references = {
      i: [next(words) for _ in target['answers']]
      for i, target in enumerate(targets)
  }
  if len({tuple(sorted(texts)) for texts in references.values()}) < 2:
    raise UserError(
        'CIDEr is not defined for fewer than two pictures with different '
        'captions, as it weighs words by how few pictures have them: evaluate '
        'more'
    )
  said = {i: [text] for i, text in enumerate(words)}
  _, scores = Cider().compute_score(references, said)
  return np.asarray(scores)


# The formula has a factor of 10 in it, and tables have it times 100.
CIDER = Metric('cider', 2, _cider, tokenizer=tokenizer)
