# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The adapter, against the interface of lmms-eval 0.7.3.

lmms-eval itself needs torch and more: what of it the adapter touches stands here
(its lmms, GenerationResult, ConfigurableTask and Instance).
"""

import dataclasses
import importlib
import sys
import types

import numpy as np
import PIL.Image
import pytest

from flamingo_jax.evaluation.prompts import as_text

NAMES = ('cat', 'dog', 'fish', 'bird')


class Lmms:
  """lmms_eval.api.model.lmms."""

  is_simple = True

  def __init__(self):
    self.cache_hook = types.SimpleNamespace(add_partial=lambda *args: None)
    self.task_dict = {}


@dataclasses.dataclass
class GenerationResult:
  """lmms_eval.api.instance.GenerationResult."""

  text: object


class Task:
  """A ConfigurableTask."""

  config = types.SimpleNamespace(
      fewshot_split=None, training_split='train', validation_split=None,
      test_split='test', doc_to_choice=None,
  )

  def __init__(self):
    rng = np.random.default_rng(0)
    doc = lambda i: {
        'image': PIL.Image.fromarray(
            rng.integers(0, 256, (16, 16, 3), np.uint8)
        ),
        'question': f'What is {i}?', 'answer': NAMES[i % 4],
    }
    self.dataset = {
        'train': [doc(i) for i in range(6)], 'test': [doc(9), doc(10)],
    }

  def doc_to_visual(self, doc):
    return [doc['image']]

  def doc_to_text(self, doc):
    return doc['question']

  def doc_to_target(self, doc):
    return [doc['answer']]

  def request(self, doc_id, second):
    doc = self.dataset['test'][doc_id]
    return types.SimpleNamespace(args=(
        self.doc_to_text(doc), second, self.doc_to_visual, doc_id, 'vqa',
        'test',
    ))


@pytest.fixture
def model(monkeypatch, run_dir):
  """(the adapter with two shots, a task, prompts it has asked)."""
  stub = types.ModuleType('lmms_eval.api.model')
  stub.lmms = Lmms
  for name in ('lmms_eval', 'lmms_eval.api'):
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
  monkeypatch.setitem(sys.modules, stub.__name__, stub)
  results = types.ModuleType('lmms_eval.api.instance')
  results.GenerationResult = GenerationResult
  monkeypatch.setitem(sys.modules, results.__name__, results)
  name = 'flamingo_jax.evaluation.lmms_eval_model'
  monkeypatch.delitem(sys.modules, name, raising=False)
  adapter = importlib.import_module(name).FlamingoLmm(
      str(run_dir), shots='2', batch_size='2', device='cpu'
  )
  task = Task()
  adapter.task_dict['vqa'] = task.dataset
  asked = []
  for method in ('generate', 'score'):
    original = getattr(adapter.predictor, method)
    monkeypatch.setattr(
        adapter.predictor, method,
        lambda prompt, *args, original=original, **more: asked.append(prompt)
        or original(prompt, *args, **more),
    )
  return adapter, task, asked


def test_answers_have_seen_the_pictures_of_the_shots(model):
  adapter, task, asked = model
  options = {'max_new_tokens': 3, 'until': ['\n\n'], 'temperature': 0}
  requests = [task.request(i, options) for i in range(2)]
  said = adapter.generate_until(requests)
  assert len(said) == 2 and all(isinstance(text, str) for text in said)
  (prompts,) = asked
  for prompt, question in zip(prompts, ('What is 9?', 'What is 10?')):
    text = as_text(prompt)
    assert text.count('<image>') == 3 and text.count('<EOC>') == 2
    assert text.endswith(f'<image>Question: {question} Answer:')
    shots = text.split('<EOC>')[:2]
    assert all(shot.split()[-1] in NAMES for shot in shots)
  # A swap of the shots' pictures changes what the model sees.
  losses = lambda: [result.text for result in adapter.loglikelihood(
      [task.request(0, f' {name}') for name in NAMES[:2]]
  )]
  before = losses()
  assert [type(x) for x in before[0]] == [float, bool]
  # The likelier candidate has the smaller loss.
  scores = adapter.predictor.score(prompts[0], NAMES[:2])
  np.testing.assert_allclose([loss for loss, _ in before], -scores, rtol=1e-5)
  for doc in task.dataset['train']:
    doc['image'] = PIL.Image.fromarray(255 - np.asarray(doc['image']))
  after = losses()
  assert np.abs(np.subtract(before, after)[:, 0]).min() > 1e-4


def test_a_target_that_is_a_function_is_asked(model):
  adapter, task, _ = model
  (one,) = adapter.loglikelihood([task.request(
      0, lambda doc: f" {doc['answer']}"
  )])
  (other,) = adapter.loglikelihood([task.request(0, ' dog')])
  assert one == other  # of 'What is 9?'
