# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Our models in lmms-eval, with the pictures of the shots in the prompt.

  python -m lmms_eval --model=flamingo_jax --tasks=ok_vqa_val2014 \\
      --model_args=pretrained=MODEL_DIR,shots=4

lmms-eval finds the class by the entry point of `manifest`. Its own
`--num_fewshot` puts texts of shots in front of a question, without pictures:
leave it out. `shots` are chosen here, as in our benchmarks.
"""

from collections.abc import Callable, Sequence
import dataclasses
import itertools
from typing import Any

import jax
from lmms_eval.api.model import lmms

from flamingo_jax.data.media import Media, image, video
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation.prompts import Prompt, Sample
from flamingo_jax.predictor.loading import load

_LATENTS = 4096  # pictures whose latents are kept


def manifest() -> Any:
  """What the entry point in the group 'lmms_eval.models' hands over."""
  from lmms_eval.models.registry_v2 import ModelManifest

  return ModelManifest(
      'flamingo_jax',
      simple_class_path=f'{__name__}.{FlamingoLmm.__name__}',
  )


@dataclasses.dataclass(frozen=True)
class _Docs:
  """Documents of a task's split as samples, by index.

  Attributes:
    task: lmms-eval's, whose functions make texts, targets and pictures.
    name: of the task.
    split: of its data.
    rows: the data.
    template: of a text.
  """

  task: Any
  name: str
  split: str
  rows: Sequence[Any]
  template: str

  def __len__(self) -> int:
    return len(self.rows)

  def __getitem__(self, index: int, /) -> Sample:
    doc = self.rows[index]
    return self.sample(
        index, self.task.doc_to_text(doc), (self._target(doc),),
    )

  def sample(
      self, index: int, text: str, answers: tuple[str, ...] = ()
  ) -> Sample:
    """A document that is asked with this text."""
    visuals = self.task.doc_to_visual(self.rows[index])
    return Sample(
        tuple(map(_medium, visuals or ())),
        self.template.format(text.replace('<image>', '').strip()), answers,
        f'{self.name}:{self.split}:{index}', index,
    )

  def _target(self, doc: Any) -> str:
    target = self.task.doc_to_target(doc)
    if isinstance(target, (list, tuple)):
      target = target[0]
    if isinstance(target, int) and self.task.config.doc_to_choice is not None:
      target = self.task.doc_to_choice(doc)[target]
    return str(target)


class FlamingoLmm(lmms):
  """A model of a training run, as lmms-eval asks for answers."""

  def __init__(
      self,
      pretrained: str = '',
      shots: int | str = 0,
      seed: int | str = 0,
      template: str = 'Question: {} Answer:',
      batch_size: int | str = 8,
      max_new_tokens: int | str = 32,
      **unused: Any,
  ):
    """Loads the model; arguments may be strings.

    Args:
      pretrained: MODEL_DIR; '': the flamingo_tiny of this package.
      shots: how many, with their pictures.
      seed: of their choice.
      template: of a text, such as 'Output:' for captions.
      batch_size: questions at once on each device.
      max_new_tokens: most of an answer, whatever a task asks for.
      unused: what lmms-eval says of the device and the like.
    """
    super().__init__()
    del unused
    self.predictor = load(
        pretrained or None, keep_latents=_LATENTS, devices=jax.local_devices()
    )
    self.batch_size = int(batch_size)
    self._shots, self._seed = int(shots), int(seed)
    self._template = template
    self._limit = int(max_new_tokens)

  def generate_until(self, requests: Sequence[Any]) -> list[str]:
    """An answer to each request, up to the first of its `until`."""
    asked = []
    for number, request in enumerate(requests):
      context, options, visual, doc_id, task, split = request.args
      options = dict(options)
      until = options.get('until') or ()
      until = [until] if isinstance(until, str) else list(until)
      how = {
          'max_new_tokens': min(
              int(options.get('max_new_tokens') or self._limit), self._limit
          ),
          'beams': int(options.get('num_beams') or 1),
          'temperature': float(options.get('temperature') or 0)
                         if options.get('do_sample') else 0.0,
      }
      prompt = self._prompt(context, visual, doc_id, task, split)
      asked.append((sorted(how.items()), number, prompt, until))
    answers = [''] * len(asked)
    # Requests of one call are decoded alike.
    alike = lambda item: item[0]
    for how, group in itertools.groupby(sorted(
        asked, key=lambda item: item[:2]
    ), alike):
      _, numbers, group_prompts, stops = zip(*group)
      said = self.predictor.generate(
          list(group_prompts), batch_size=self.batch_size, **dict(how)
      )
      for number, text, until in zip(numbers, said, stops):
        answers[number] = prompts.trim_answer(text, [u for u in until if u])
    for request, answer in zip(requests, answers):
      self.cache_hook.add_partial('generate_until', request.args[:2], answer)
    return answers

  def loglikelihood(
      self, requests: Sequence[Any]
  ) -> list[tuple[float, bool]]:
    """(log-likelihood, whether greedy decoding begins with it) of each.

    Neighbours that ask the same are read once for all their continuations.
    """
    found = []
    same = lambda request: (request.args[0], *request.args[3:])
    for _, group in itertools.groupby(requests, same):
      group = list(group)
      context, _, visual, doc_id, task, split = group[0].args
      prompt = self._prompt(context, visual, doc_id, task, split)
      texts = [
          request.args[1] if isinstance(request.args[1], str)
          else str(request.args[1](self.task_dict[task][split][doc_id]))
          for request in group
      ]
      scores = self.predictor.score(prompt, texts, batch_size=1)
      tokens = [len(self.predictor.vocabulary.encode(f' {t}')) for t in texts]
      said = self.predictor.generate(prompt, max_new_tokens=max(tokens))
      found += [
          (float(value), said.startswith(text.strip()))
          for value, text in zip(scores, texts)
      ]
    return found

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
    docs = lambda split: _Docs(
        task, name, split, self.task_dict[name][split], self._template
    )
    query = docs(split).sample(doc_id, context)
    pool = docs(_shots_split(task)) if self._shots else []
    chosen = prompts.make_shots(
        query, pool, self._shots, self._seed, text_only_at_zero=False
    )
    return prompts.join(chosen, query)


def _shots_split(task: Any) -> str:
  """Where lmms-eval itself takes the texts of shots from."""
  config = task.config
  return (
      config.fewshot_split or config.training_split or config.validation_split
      or config.test_split
  )


def _medium(visual: Any) -> Media:
  """A picture of lmms-eval, or the path of a video."""
  if isinstance(visual, dict):
    raise UserError(
        f'a document shows {sorted(visual)}: this model sees pictures and '
        'videos; choose another task'
    )
  return video(visual) if isinstance(visual, str) else image(visual)
