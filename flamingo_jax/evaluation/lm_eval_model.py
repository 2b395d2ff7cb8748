# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Our models in lm-evaluation-harness, with the pictures of the shots.

  python -m flamingo_jax.evaluation.lm_eval_model --model=flamingo_jax \\
      --tasks=mmmu_val_art --model_args=pretrained=MODEL_DIR,shots=4

is its own program with this class registered: it has no entry points for models.
Its `--num_fewshot` puts texts of shots in front of a question, without pictures:
leave it out. `shots` are chosen here, as in our benchmarks; of tasks in a folder
of yours, `--include_path=DIR`, the model has to know too: `include_path=DIR`
among the `--model_args`.
"""

from collections.abc import Sequence
import functools
from typing import Any

from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from lm_eval.tasks import TaskManager

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import harness
from flamingo_jax.evaluation.prompts import Prompt


@register_model('flamingo_jax')
class FlamingoLm(harness.FewShotModel, LM):
  """A model of a training run, as lm-evaluation-harness asks for answers."""

  MULTIMODAL = True  # the harness refuses tasks with pictures otherwise

  def __init__(self, include_path: str | None = None, **arguments: Any):
    """Loads the model.

    Args:
      include_path: a folder of tasks beside the harness' own.
      **arguments: of `harness.FewShotModel`.
    """
    super().__init__(**arguments)
    # Requests come without their task, which shots are taken from.
    manager = TaskManager(include_path=include_path)
    self._task = functools.cache(lambda name: manager.load(name)['tasks'][name])
    self._pool = functools.cache(lambda name: self._task(name).fewshot_docs())

  def generate_until(
      self, requests: Sequence[Any], disable_tqdm: bool = False
  ) -> list[str]:
    """An answer to each request, up to the first of its `until`."""
    del disable_tqdm
    answers = self.answers([
        (self._prompt(request), request.args[1]) for request in requests
    ])
    for request, answer in zip(requests, answers):
      self.cache_hook.add_partial('generate_until', request.args, answer)
    return answers

  def loglikelihood(
      self, requests: Sequence[Any], disable_tqdm: bool = False
  ) -> list[tuple[float, bool]]:
    """(log-likelihood, whether greedy decoding begins with it) of each."""
    del disable_tqdm
    return self.likelihoods([
        (
            (request.task_name, request.doc_id, request.args[0]),
            functools.partial(self._prompt, request), request.args[1],
        )
        for request in requests
    ])

  def loglikelihood_rolling(
      self, requests: Sequence[Any], disable_tqdm: bool = False
  ) -> list[float]:
    """Refused."""
    del disable_tqdm
    raise UserError(
        f'{len(requests)} requests are for the likelihood of whole texts, which '
        'this model has not been asked for: choose other tasks'
    )

  def _prompt(self, request: Any) -> Prompt:
    """Shots with their pictures, then the question."""
    name = request.task_name
    task, config = self._task(name), self._task(name).config
    docs = lambda split, rows: harness.Docs(
        task, task.doc_to_image, f'{name}:{split}', rows, self.template
    )
    queries = docs(
        config.test_split or config.validation_split,
        {request.doc_id: request.doc},
    )
    return self.prompt(
        queries.sample(request.doc_id, request.args[0]),
        lambda: docs(harness.shots_split(config), self._pool(name)),
    )


if __name__ == '__main__':
  from lm_eval.__main__ import cli_evaluate

  cli_evaluate()
