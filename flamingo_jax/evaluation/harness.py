# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What lmms-eval and lm-evaluation-harness ask, with pictures in the shots."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import itertools
from typing import Any

import jax

from flamingo_jax.data.frames import EVALUATION
from flamingo_jax.data.media import Media, image, video
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation.prompts import Prompt, Sample
from flamingo_jax.predictor.loading import load
from flamingo_jax.sharding import parse_mesh

_LATENTS = 4096  # pictures whose latents are kept


@dataclasses.dataclass(frozen=True)
class Docs:
  """Documents of a task's split as samples, by index.

  Attributes:
    task: the harness', whose functions make texts and targets.
    visuals: makes a document's pictures.
    name: of the task and the split.
    rows: documents by index, with a length.
    template: of a text.
  """

  task: Any
  visuals: Callable[[Any], Any]
  name: str
  rows: Any
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
    visuals = self.visuals(self.rows[index])
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


def shots_split(config: Any) -> str:
  """Where both harnesses take the texts of shots from."""
  return (
      config.fewshot_split or config.training_split or config.validation_split
      or config.test_split
  )


class FewShotModel:
  """A model of a training run; a harness' own class comes behind it.

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
      unused: what a harness says of the device and the like.
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

  def prompt(self, query: Sample, pool: Callable[[], Docs]) -> Prompt:
    """Shots with their pictures, then the question.

    Args:
      query: the question.
      pool: makes what shots are chosen from, if there are any.
    """
    chosen = prompts.make_shots(
        query, pool() if self._shots else [], self._shots, self._seed,
        text_only_at_zero=False,
    )
    return prompts.join(chosen, query)

  def answers(
      self, asked: Sequence[tuple[Prompt, Mapping[str, Any]]]
  ) -> list[str]:
    """An answer to each prompt, up to the first of its `until`.

    Args:
      asked: prompts, and how a task wants them answered: until, max_new_tokens
        or max_gen_toks, num_beams, do_sample, temperature.
    """
    how = [self._how(options) for _, options in asked]
    answers = [''] * len(asked)
    # Those of one call are decoded alike.
    for alike in dict.fromkeys(how):
      numbers = [i for i, options in enumerate(how) if options == alike]
      said = self.predictor.generate(
          [asked[i][0] for i in numbers], batch_size=self.batch_size,
          **dict(alike),
      )
      for number, text in zip(numbers, said):
        until = asked[number][1].get('until') or ()
        until = [until] if isinstance(until, str) else until
        answers[number] = prompts.trim_answer(text, [u for u in until if u])
    return answers

  def _how(self, options: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Arguments of `generate`."""
    limit = options.get('max_new_tokens') or options.get('max_gen_toks')
    temperature = float(options.get('temperature') or 0)
    return (
        ('max_new_tokens', min(int(limit or self._limit), self._limit)),
        ('beams', int(options.get('num_beams') or 1)),
        ('temperature', temperature if options.get('do_sample') else 0.0),
    )

  def likelihoods(
      self, asked: Sequence[tuple[Any, Callable[[], Prompt], str]]
  ) -> list[tuple[float, bool]]:
    """(log-likelihood, whether greedy decoding begins with it) of each.

    Args:
      asked: (what tells its prompt from others, what makes it, continuation);
        neighbours with one prompt are read once for all their continuations.
    """
    found = []
    for _, group in itertools.groupby(asked, lambda request: request[0]):
      _, makers, texts = zip(*group)
      prompt = makers[0]()
      scores = self.predictor.score(prompt, texts, batch_size=1)
      tokens = [len(self.predictor.vocabulary.encode(f' {t}')) for t in texts]
      said = self.predictor.generate(prompt, max_new_tokens=max(tokens))
      found += [
          (float(value), said.startswith(text.strip()))
          for value, text in zip(scores, texts)
      ]
    return found


def _medium(visual: Any) -> Media:
  """A picture, or the path of a video."""
  if isinstance(visual, dict):
    raise UserError(
        f'a document shows {sorted(visual)}: this model sees pictures and '
        'videos; choose another task'
    )
  return video(visual) if isinstance(visual, str) else image(visual)
