# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""VQA accuracy with the answer processing of VQAv2's official evaluation.

Of ten people, three or more that give an answer make it right, fewer a third
each; the mean over leaving each of them out. The rules below, with their
oddities, are those that every published number was computed with. TextVQA's
program (EvalAI's answer processor) has the same, behind two steps of its own.
"""

from collections.abc import Sequence
import functools
import re

import numpy as np

from flamingo_jax.evaluation.metrics.metric import Metric, Target

# Each is also known with any one of its apostrophes missing.
_CONTRACTIONS = """
  'ow's'at 'twas I'd've I'm I've ain't aren't can't could've couldn't
  couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've
  he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't
  mightn't've must've mustn't needn't not've o'clock oughtn't shan't she'd've
  should've shouldn't shouldn't've somebody'd've somebody'll somebody's
  someone'd someone'd've someone'll someone's something'd something'd've
  something'll that's there'd there'd've there're there's they'd they'd've
  they'll they're they've wasn't we'd've we've weren't what'll what're what's
  what've when's where'd where's where've who'd who'd've who'll who's who've
  why'll why're why's won't would've wouldn't wouldn't've y'all y'all'd've
  y'all'll you'd you'd've you'll you're you've
""".split()
_NUMBERS = {
    word: str(number) for number, word in enumerate(
        'zero one two three four five six seven eight nine ten'.split()
    )
} | {'none': '0'}
_ARTICLES = ('a', 'an', 'the')
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_COMMA_IN_NUMBER = re.compile(r'\d,\d')
_PERIOD = re.compile(r'\.(?!\d)')
# The official program passes re.UNICODE (32) in the place of a count.
_PERIODS = 32


@functools.cache
def _expansions() -> dict[str, str]:
  """Contractions by what is written for them."""
  return {
      word[:i] + word[i + 1 :]: word
      for word in _CONTRACTIONS for i, c in enumerate(word) if c == "'"
  } | {"somebody'd": 'somebodyd'}


def strip_space(answer: str) -> str:
  """Line ends and tabs become spaces; none at either end."""
  return answer.replace('\n', ' ').replace('\t', ' ').strip()


def normalise(answer: str) -> str:
  """Without punctuation, articles and capitals; numbers up to ten as digits."""
  return _process_words(_process_punctuation(answer))


def _process_punctuation(text: str) -> str:
  """Punctuation at the edge of a word disappears, inside it becomes a space."""
  result = text
  has_number = _COMMA_IN_NUMBER.search(text)
  for mark in _PUNCTUATION:
    at_edge = mark + ' ' in text or ' ' + mark in text
    result = result.replace(mark, '' if at_edge or has_number else ' ')
  return _PERIOD.sub('', result, count=_PERIODS)


def _process_words(text: str) -> str:
  words = [_NUMBERS.get(word, word) for word in text.lower().split()]
  return ' '.join(
      _expansions().get(word, word) for word in words if word not in _ARTICLES
  )


def normalise_textvqa(answer: str) -> str:
  """As TextVQA's program: no commas or question marks; 's is a word."""
  text = answer.lower().replace(',', '').replace('?', '').replace("'s", " 's")
  return normalise(strip_space(text))


def agreement(said: str, answers: Sequence[str]) -> float:
  """How far people agree with what is said, 0 to 1; texts are compared as is."""
  matches = [answer == said for answer in answers]
  total = sum(matches)
  return float(np.mean([min(1, (total - match) / 3) for match in matches]))


def accuracy(prediction: str, answers: Sequence[str], always: bool) -> float:
  """The accuracy of one prediction, 0 to 1.

  Args:
    prediction: what was said.
    answers: of all annotators.
    always: whether to normalise the answers in every case; the official
      program does unless all annotators gave the same one, letter for letter.
  """
  said, answers = strip_space(prediction), [strip_space(a) for a in answers]
  if always or len(set(answers)) > 1:
    said, answers = normalise(said), [normalise(a) for a in answers]
  return agreement(said, answers)


def _measure(
    targets: Sequence[Target], predictions: Sequence[str], always: bool
) -> np.ndarray:
  return np.array([
      accuracy(prediction, target['answers'], always)
      for target, prediction in zip(targets, predictions, strict=True)
  ])


def _measure_textvqa(
    targets: Sequence[Target], predictions: Sequence[str]
) -> np.ndarray:
  return np.array([
      agreement(
          normalise_textvqa(prediction),
          list(map(normalise_textvqa, target['answers'])),
      )
      for target, prediction in zip(targets, predictions, strict=True)
  ])


VQA_ACCURACY = Metric(
    'vqa_accuracy', 1, functools.partial(_measure, always=False),
    notes='answers normalised where annotators differ, as the official program',
)
VQA_ACCURACY_ALWAYS_NORMALISED = Metric(
    'vqa_accuracy_always_normalised', 1,
    functools.partial(_measure, always=True),
)
TEXTVQA_ACCURACY = Metric(
    'textvqa_accuracy', 1, _measure_textvqa,
    notes="answers processed as TextVQA's own program does (EvalAI)",
)
