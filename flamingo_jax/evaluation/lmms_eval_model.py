# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Our models in lmms-eval, with the pictures of the shots in the prompt.

  python -m lmms_eval --model=flamingo_jax --tasks=ok_vqa_val2014 \\
      --model_args=pretrained=MODEL_DIR,shots=4

lmms-eval finds the class by the entry point of `manifest`. Its own
`--num_fewshot` puts texts of shots in front of a question, without pictures:
leave it out. `shots` are chosen here, as in our benchmarks. Version 0.7.3 does
not start with filelock 4: `pip install 'filelock<4'`.
"""

from collections.abc import Callable, Sequence
import functools
from typing import Any

from lmms_eval.api.instance import GenerationResult
from lmms_eval.api.model import lmms

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import harness
from flamingo_jax.evaluation.prompts import Prompt


def manifest() -> Any:
  """What the entry point in the group 'lmms_eval.models' hands over."""
  from lmms_eval.models.registry_v2 import ModelManifest

  return ModelManifest(
      'flamingo_jax',
      simple_class_path=f'{__name__}.{FlamingoLmm.__name__}',
  )


class FlamingoLmm(harness.FewShotModel, lmms):
  """A model of a training run, as lmms-eval asks for answers."""

  def generate_until(self, requests: Sequence[Any]) -> list[str]:
    """An answer to each request, up to the first of its `until`."""
    answers = self.answers([
        (self._prompt(context, *where), options)
        for context, options, *where in (request.args for request in requests)
    ])
    for request, answer in zip(requests, answers):
      self.cache_hook.add_partial('generate_until', request.args[:2], answer)
    return answers

  def loglikelihood(
      self, requests: Sequence[Any]
  ) -> list[GenerationResult]:
    """(loss, whether greedy decoding begins with it) of each.

    lmms-eval takes the candidate with the smallest number, and version 0.7.3
    makes strings of pairs that are not the text of a result.
    """
    asked = []
    for request in requests:
      context, text, *where = request.args
      if not isinstance(text, str):
        _, doc_id, name, split = where
        text = str(text(self.task_dict[name][split][doc_id]))
      asked.append((
          (context, *where[1:]),
          functools.partial(self._prompt, context, *where), text,
      ))
    return [
        GenerationResult((-likelihood, is_greedy))
        for likelihood, is_greedy in self.likelihoods(asked)
    ]

  def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
    """Refused."""
    raise UserError(
        f'{len(requests)} requests are of several rounds, which this model has '
        'not been asked in: choose tasks of one'
    )

  def _prompt(
      self, context: str, visual: Callable, doc_id: int, name: str, split: str
  ) -> Prompt:
    """Shots with their pictures, then the question."""
    task = getattr(visual, '__self__', None)
    if task is None:
      raise UserError(
          f'the pictures of {name} do not come from a method of its task, '
          'which shots would be taken from: choose another task'
      )
    docs = lambda split: harness.Docs(
        task, task.doc_to_visual, f'{name}:{split}',
        self.task_dict[name][split], self.template,
    )
    return self.prompt(
        docs(split).sample(doc_id, context),
        lambda: docs(harness.shots_split(task.config)),
    )
