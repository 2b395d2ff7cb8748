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

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import itertools
from typing import Any

import jax
from lmms_eval.api.instance import GenerationResult
from lmms_eval.api.model import lmms

from flamingo_jax.data.frames import EVALUATION
from flamingo_jax.data.media import Media, image, video
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation.prompts import Prompt, Sample
from flamingo_jax.predictor.loading import load
from flamingo_jax.sharding import parse_mesh

_LATENTS = 4096  # pictures whose latents are kept


def manifest() -> Any:
  """What the entry point in the group 'lmms_eval.models' hands over."""
  from lmms_eval.models.registry_v2 import ModelManifest

  return ModelManifest(
      'flamingo_jax',
      simple_class_path=f'{__name__}.{FlamingoLmm.__name__}',
  )


@dataclasses.dataclass(frozen=True)
class Docs:
  """Documents of a task's split as samples, by index."""

  task: Any  # lmms-eval's, whose functions make pictures, texts and targets
  name: str  # of the task and the split
  rows: Any  # documents by index, with a length
  template: str  # of a text

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
    if not isinstance(visuals, (list, tuple)):
      visuals = [] if visuals is None else [visuals]
    return Sample(
        tuple(map(_medium, visuals)),
        self.template.format(text.replace('<image>', '').strip()), answers,
        f'{self.name}:{index}', index,
    )

  def _target(self, doc: Any) -> str:
    target = self.task.doc_to_target(doc)
    if isinstance(target, (list, tuple)):
      target = target[0]
    if isinstance(target, int) and self.task.config.doc_to_choice is not None:
      target = self.task.doc_to_choice(doc)[target]
    return str(target).strip()


class FlamingoLmm(lmms):
  """A model of a training run, as lmms-eval asks for answers.

  Attributes:
    batch_size: questions at once on each device.
    template: of a text.
  """

  def __init__(
      self,
      pretrained: str = '',
      shots: int | str = 0,
      seed: int | str = 0,
      template: str = 'Question: {} Answer:',
      batch_size: int | str = 8,
      max_new_tokens: int | str = 32,
      frames: int | str = EVALUATION.frames,
      fps: float | str = EVALUATION.fps,
      mesh: str = '',
      rules: str = 'data_parallel',
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
      frames: that are read of a video.
      fps: frames per second of a video; one that is longer than frames / fps
        seconds is covered evenly.
      mesh: such as 'fsdp:2 model:4', for a model larger than a device.
      rules: how weights are split over it.
      unused: what lmms-eval says of the device and the like.
    """
    super().__init__()
    del unused
    self.predictor = load(
        pretrained or None, frames=int(frames), fps=float(fps),
        keep_latents=_LATENTS, devices=jax.local_devices(), rules=rules,
        mesh=parse_mesh(mesh.replace(' ', ',')) if mesh else None,
    )
    self.batch_size = int(batch_size)
    self.template = template
    self._shots, self._seed = int(shots), int(seed)
    self._limit = int(max_new_tokens)

  def generate_until(self, requests: Sequence[Any]) -> list[str]:
    """An answer to each request, up to the first of its `until`."""
    asked, how = [], []
    for context, options, *where in (request.args for request in requests):
      asked.append((self._prompt(context, *where), options.get('until')))
      how.append(self._how(options))
    answers = [''] * len(requests)
    # Those of one call are decoded alike.
    for alike in dict.fromkeys(how):
      numbers = [i for i, options in enumerate(how) if options == alike]
      said = self.predictor.generate(
          [asked[i][0] for i in numbers], batch_size=self.batch_size,
          **dict(alike),
      )
      for number, text in zip(numbers, said):
        until = asked[number][1] or ()
        until = [until] if isinstance(until, str) else until
        answers[number] = prompts.trim_answer(text, [u for u in until if u])
    for request, answer in zip(requests, answers):
      self.cache_hook.add_partial('generate_until', request.args[:2], answer)
    return answers

  def loglikelihood(
      self, requests: Sequence[Any]
  ) -> list[GenerationResult]:
    """(loss, whether greedy decoding begins with it) of each.

    Neighbours with one prompt are read once for all their continuations.
    lmms-eval takes the candidate with the smallest number, and version 0.7.3
    makes strings of pairs that are not the text of a result.
    """
    asked = []
    for request in requests:
      context, text, *where = request.args
      if not isinstance(text, str):
        _, doc_id, name, split = where
        text = str(text(self.task_dict[name][split][doc_id]))
      asked.append((context, where, text))
    found = []
    alike = lambda one: (one[0], *one[1][1:])
    for _, group in itertools.groupby(asked, alike):
      (context, *_), (where, *_), texts = zip(*group)
      prompt = self._prompt(context, *where)
      scores = self.predictor.score(prompt, texts, batch_size=1)
      tokens = [len(self.predictor.vocabulary.encode(f' {t}')) for t in texts]
      said = self.predictor.generate(prompt, max_new_tokens=max(tokens))
      found += [
          GenerationResult((-float(score), said.startswith(text.strip())))
          for score, text in zip(scores, texts)
      ]
    return found

  def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
    """Refused."""
    raise UserError(
        f'{len(requests)} requests are of several rounds, which this model has '
        'not been asked in: choose tasks of one'
    )

  def _how(self, options: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Arguments of `generate`, of what a task wants."""
    limit = options.get('max_new_tokens') or options.get('max_gen_toks')
    temperature = float(options.get('temperature') or 0)
    return (
        ('max_new_tokens', min(int(limit or self._limit), self._limit)),
        ('beams', int(options.get('num_beams') or 1)),
        ('temperature', temperature if options.get('do_sample') else 0.0),
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
    docs = lambda split: Docs(
        task, f'{name}:{split}', self.task_dict[name][split], self.template,
    )
    query, config = docs(split).sample(doc_id, context), task.config
    # Where lmms-eval takes the texts of shots from.
    pool = (
        config.fewshot_split or config.training_split
        or config.validation_split or config.test_split
    )
    shots = prompts.make_shots(
        query, docs(pool) if self._shots else [], self._shots, self._seed,
        text_only_at_zero=False,
    )
    return prompts.join(shots, query)


def _medium(visual: Any) -> Media:
  """A picture, or the path of a video."""
  if isinstance(visual, dict):
    raise UserError(
        f'a document shows {sorted(visual)}: this model sees pictures and '
        'videos; choose another task'
    )
  return video(visual) if isinstance(visual, str) else image(visual)
