# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How OpenFlamingo's makers ask: what they change of the paper's rows.

Read off `open_flamingo/eval` of github.com/mlfoundations/open_flamingo, commit
655f693. The search is the paper's: three beams, the likeliest answer whatever
its length (a length penalty of 0). `differs` says what is not as theirs.
"""

from collections.abc import Mapping
from typing import Any

from flamingo_jax.evaluation import metrics
from flamingo_jax.evaluation.prompts import Style
from flamingo_jax.evaluation.readers import questions

NAME = 'openflamingo'
_CAPTIONS = Style(
    NAME, '', after_shot='\n', strips_answers=True, dropped='"'
)
_QUESTIONS = Style(NAME, '', after_shot='\n', takes_first_annotator=True)
_CLASSES = Style(NAME, '', ranks_behind_texts=True, averages_tokens=True)

_SHOTS = (
    'the 2048 supports, and the shots among them, are chosen by a hash; the '
    "makers draw both at random, by NumPy's and Python's generators",
    'with --rices, supports are compared by the mean features of the vision '
    'encoder; the makers compare the projected class token of CLIP ViT-L/14, '
    'over the whole training split and at 0 shots too',
)
_NO_PICTURES_AT_ZERO = (
    'with 0 shots two texts have no pictures; the makers give the model those '
    'of both, without tags, so that the query sees the first of them'
)


def _captions(*differs: str) -> dict[str, Any]:
  return {
      'prompt': 'Output:', 'style': _CAPTIONS, 'max_new_tokens': 20,
      'trim': ('Output',), 'differs': (*_SHOTS, *differs),
  }


def _questions(*differs: str) -> dict[str, Any]:
  return {
      'prompt': 'Question:{question} Short answer:', 'style': _QUESTIONS,
      'max_new_tokens': 5, 'trim': ('Question', 'Answer', 'Short', ', '),
      # Their copy of the official program normalises every answer.
      'metrics': (
          metrics.VQA_ACCURACY_ALWAYS_NORMALISED, metrics.VQA_ACCURACY
      ),
      'differs': (*_SHOTS, *differs),
  }


# Fields of a row by the benchmark's name.
CHANGES: Mapping[str, Mapping[str, Any]] = {
    'coco': _captions(
        "supports are of Karpathy's 'train' and 'restval'; the makers take "
        "'train' alone",
    ),
    'flickr30k': _captions(),
    'vqav2': _questions(),
    # Answers are stems, in shots too.
    'okvqa': _questions() | {
        'read': questions.okvqa_of_stems,
        'metrics': (metrics.VQA_ACCURACY_STEMMED,),
    },
    'textvqa': _questions() | {'metrics': (
        metrics.VQA_ACCURACY_ALWAYS_NORMALISED, metrics.TEXTVQA_ACCURACY
    )},
    'vizwiz': _questions(),
    'hateful_memes': {
        'prompt': "is an image with: '{text}' written on it. Is it hateful? "
        'Answer:',
        'style': _CLASSES, 'split': 'dev_seen',
        'differs': (*_SHOTS, _NO_PICTURES_AT_ZERO),
    },
    'imagenet': {
        'prompt': 'Output:', 'style': _CLASSES, 'supports_of_a_class': None,
        'differs': (
            *_SHOTS, _NO_PICTURES_AT_ZERO,
            'names of classes are the first of LOC_synset_mapping.txt; the '
            'makers take those that CLIP was evaluated with',
        ),
    },
}
