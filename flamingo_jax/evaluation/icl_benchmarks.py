# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of learning in context: VL-ICL Bench's and SMMILE's tasks.

Wording, shots and scores are read off their makers' programs. Of VL-ICL Bench
that is github.com/ys-zong/VL-ICL, commit 2b77eee, as it asks an OpenFlamingo,
with detailed descriptions of tasks. Of SMMILE it is
github.com/eth-medical-ai-lab/smmile, commit ab004d2, in its open-ended form.
"""

from collections.abc import Callable, Iterator, Mapping
import dataclasses
from typing import Any

from flamingo_jax.evaluation import metrics
from flamingo_jax.evaluation import shot_rules
from flamingo_jax.evaluation import submissions
from flamingo_jax.evaluation.benchmark import Benchmark
from flamingo_jax.evaluation.metrics import Metric
from flamingo_jax.evaluation.prompts import Sample, Style
from flamingo_jax.evaluation.readers import smmile, vl_icl
from flamingo_jax.evaluation.readers.source import Source
from flamingo_jax.evaluation.shot_rules import ShotRule

_RANDOM = (
    "shots are chosen by a hash; the makers draw with Python's generator",
)


def _vl_icl(
    name: str, title: str, read: Callable[[Source], Iterator[Sample]],
    metric: Metric, media: str, instruction: str,
    rule: ShotRule | None = None, supports: str | None = 'support',
    shots: tuple[int, ...] = (0, 1, 2, 4, 8),
) -> Benchmark:
  """A task of VL-ICL Bench."""
  files = {'query': ('query.json',), 'support': ('support.json',)}
  if supports is None:
    del files['support']
  return Benchmark(
      name, f'VL-ICL {title}', read, splits=files, split='query',
      origin='huggingface.co/datasets/ys-zong/VL-ICL', media=media,
      prompt='{question}\nAnswer:', metrics=(metric,),
      submission=submissions.RESULTS, max_new_tokens=15, beams=1, shots=shots,
      supports=supports, rule=rule,
      style=Style(
          'vl_icl', ' ', instruction=f'{instruction}\n', says_behind_texts=False
      ),
      differs=_RANDOM * (rule is None),
  )


_QUERY_AND_SUPPORT = 'query/ and support/, unpacked from the zip files'

_VL_ICL = (
    _vl_icl(
        'open_mi', 'Fast Open-Ended MiniImageNet', vl_icl.open_mini_imagenet,
        metrics.VL_ICL_EXACT_MATCH, _QUERY_AND_SUPPORT,
        'Induce the concept from the in-context examples. Answer the question '
        'with a single word or phase.',  # as it is there
        rule=shot_rules.TWO_WAYS, supports=None, shots=(0, 1, 2, 4, 5),
    ),
    _vl_icl(
        'operator_induction', 'Operator Induction', vl_icl.operators,
        metrics.VL_ICL_NUMBER, _QUERY_AND_SUPPORT,
        'The image contains two digit numbers and a ? representing the '
        'mathematical operator. Induce the mathematical operator (addition, '
        'multiplication, minus) according to the results of the in-context '
        'examples and calculate the result.',
        rule=shot_rules.HIDDEN_OPERATOR,
    ),
    _vl_icl(
        'operator_induction_interleaved', 'Interleaved Operator Induction',
        vl_icl.operators, metrics.VL_ICL_NUMBER,
        'support/, which has the digits of queries, too, from its zip file',
        'There are two input images, each representing a single digit number. '
        'Induce the mathematical operator (addition, multiplication, minus) '
        'that is applied between the two images according to the results of '
        'the in-context examples. Calculate the result for the new query '
        'images.',
        rule=shot_rules.HIDDEN_OPERATOR,
    ),
    _vl_icl(
        'textocr', 'TextOCR', vl_icl.questions, metrics.VL_ICL_EXACT_MATCH,
        _QUERY_AND_SUPPORT,
        'An image will be provided where a red box is drawn around the text of '
        'interest. Answer with the text inside the red box. Ensure that the '
        'transcription is precise, reflecting the exact characters, including '
        'letters, numbers, symbols.',
    ),
    _vl_icl(
        'clevr', 'CLEVR Count Induction', vl_icl.questions,
        metrics.VL_ICL_EXACT_MATCH, _QUERY_AND_SUPPORT,
        'The image contains objects of different shapes, colors, sizes and '
        'materials. The question describes the attribute and its value. You '
        'need to find all objects within the image that satisfy the condition. '
        'You should induce what operation to use according to the results of '
        'the in-context examples and then calculate the result.',
    ),
    _vl_icl(
        'matching_mi', 'Fast Matching MiniImageNet', vl_icl.matching,
        metrics.VL_ICL_YES_NO, _QUERY_AND_SUPPORT,
        'According to the few-shot examples, induce what operation to do and '
        'determine the output for the two new images. Answer with "yes" or '
        '"no".',
        rule=shot_rules.PAIRS,
    ),
)


def _smmile(name: str, title: str) -> Benchmark:
  return Benchmark(
      name, title, smmile.problems,
      splits={'train': ('data/train-*.parquet',)}, split='train',
      origin=f'huggingface.co/datasets/smmile/{title.replace("++", "-plusplus")}',
      media='in the files', prompt='{question}',
      metrics=(metrics.SMMILE_EXACT_MATCH,),
      submission=submissions.PROBLEMS, max_new_tokens=64, beams=1,
      shots=(0, 32), supports=None, rule=shot_rules.OWN,
      style=Style('smmile', ' ', says_behind_texts=False),
      differs=(
          'an answer has at most 64 tokens; the makers allow 512 (no right one '
          'is as long)',
          'questions and answers follow each other; the makers use the turns of '
          'each chat model',
      ),
  )


_SMMILE = (_smmile('smmile', 'SMMILE'), _smmile('smmile_plusplus', 'SMMILE++'))

# Their --task_description=concise.
_CONCISE = {
    'open_mi': 'Answer the question with a single word or phase.',
    'operator_induction': 'Induce the mathematical operator and calculate the '
    'result.',
    'operator_induction_interleaved': 'Induce the mathematical operator between '
    'the two images and calculate the result.',
    'textocr': 'Answer with the text inside the red box.',
    'clevr': 'Find objects of the given type, induce what operation to use and '
    'calculate the result.',
    'matching_mi': 'Determine the output for the new pair of images.',
}


def _described(name: str, instructions: Mapping[str, str]) -> dict[str, Any]:
  """What other descriptions of the tasks of VL-ICL Bench change of its rows."""
  return {
      row.name: {'style': dataclasses.replace(
          row.style, name=name,
          instruction=f'{instructions.get(row.name, "")}\n',
      )} for row in _VL_ICL
  }


ROWS = (*_VL_ICL, *_SMMILE)
# Whose prompts there are, as `paper_benchmarks.PROMPTS` has them.
PROMPTS: dict[str, Mapping[str, Mapping[str, Any]]] = {
    _VL_ICL[0].style.name: {row.name: {} for row in _VL_ICL},
    'vl_icl_concise': _described('vl_icl_concise', _CONCISE),
    'vl_icl_nothing': _described('vl_icl_nothing', {}),
    _SMMILE[0].style.name: {row.name: {} for row in _SMMILE},
}
