# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The adapter, in lm-evaluation-harness 0.4.13 if it is there, and alone.

What of it the adapter touches stands here: its LM, register_model, TaskManager,
ConfigurableTask and Instance.
"""

import importlib
import json
import sys
import types

import numpy as np
import PIL.Image
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.prompts import as_text
from tests.evaluation.lmms_eval_model_test import NAMES, Task

ADAPTER = 'flamingo_jax.evaluation.lm_eval_model'
TASK = '''
task: pictures
dataset_path: json
dataset_kwargs:
  data_files:
    train: {folder}/train.jsonl
    test: {folder}/test.jsonl
training_split: train
test_split: test
doc_to_text: "<image>{{{{question}}}}"
doc_to_image: !function pictures.images
'''
ASKED = '''
output_type: generate_until
doc_to_target: answer
generation_kwargs: {until: ["\\n\\n"], max_gen_toks: 3}
metric_list: [{metric: exact_match}]
'''
RANKED = '''
output_type: multiple_choice
doc_to_choice: [cat, dog, fish, bird]
doc_to_target: answer
metric_list: [{metric: acc}]
'''
IMAGES = '''
import PIL.Image


def images(doc):
  return [PIL.Image.open(doc['picture'])]
'''


@pytest.fixture
def write(tmp_path):
  """Writes the task of a kind; the folder."""

  def task(kind):
    rng = np.random.default_rng(0)
    for split, count in (('train', 6), ('test', 2)):
      lines = []
      for i in range(count):
        path = tmp_path / f'{split}{i}.png'
        PIL.Image.fromarray(
            rng.integers(0, 256, (16, 16, 3), np.uint8)
        ).save(path)
        lines.append({'picture': str(path), 'question': f'What is {i}?',
                      'answer': NAMES[i % 4]})
      (tmp_path / f'{split}.jsonl').write_text(
          ''.join(json.dumps(line) + '\n' for line in lines)
      )
    (tmp_path / 'pictures.py').write_text(IMAGES)
    (tmp_path / 'pictures.yaml').write_text(
        TASK.format(folder=tmp_path) + kind
    )
    return tmp_path

  return task


@pytest.fixture
def make(monkeypatch, run_dir):
  """Makes (the adapter with two shots, prompts that it asks)."""

  def load(**more):
    model = importlib.import_module(ADAPTER).FlamingoLm(
        pretrained=str(run_dir), shots='2', batch_size='2', device='cpu', **more
    )
    asked = []
    for method in ('generate', 'score'):
      original = getattr(model.predictor, method)
      monkeypatch.setattr(
          model.predictor, method,
          lambda prompt, *args, original=original, **more: asked.append(prompt)
          or original(prompt, *args, **more),
      )
    return model, asked

  return load


@pytest.fixture
def evaluate(monkeypatch, make, tmp_path):
  """Of a folder: (results, prompts that the model was asked)."""
  lm_eval = pytest.importorskip(
      'lm_eval', reason='lm-evaluation-harness is not installed'
  )
  monkeypatch.setenv('HF_HOME', str(tmp_path / 'hub'))
  monkeypatch.setenv('HF_HUB_OFFLINE', '1')

  def run(folder):
    model, asked = make(include_path=str(folder))
    return lm_eval.simple_evaluate(
        model, tasks=['pictures'], bootstrap_iters=0,
        task_manager=lm_eval.tasks.TaskManager(include_path=str(folder)),
    ), asked

  return run


class HarnessTask(Task):
  """A ConfigurableTask."""

  doc_to_image = Task.doc_to_visual

  def fewshot_docs(self):
    return self.dataset['train']

  def request(self, doc_id, second):
    doc = self.dataset['test'][doc_id]
    return types.SimpleNamespace(
        args=(self.doc_to_text(doc), second, {'visual': [doc['image']]}),
        doc=doc, doc_id=doc_id, task_name='pictures',
    )


class LM:
  """lm_eval.api.model.LM."""

  def __init__(self):
    self.cache_hook = types.SimpleNamespace(add_partial=lambda *args: None)


@pytest.fixture
def alone(monkeypatch, make):
  """(the adapter, a task, prompts that it asks), without the harness."""
  task = HarnessTask()

  class TaskManager:
    """lm_eval.tasks.TaskManager."""

    def __init__(self, include_path=None):
      assert include_path == 'folder'

    def load(self, name):
      return {'tasks': {name: task}}

  for name, content in (
      ('', {}), ('.api', {}), ('.api.model', {'LM': LM}),
      ('.api.registry', {'register_model': lambda name: lambda cls: cls}),
      ('.tasks', {'TaskManager': TaskManager}),
  ):
    module = types.ModuleType(f'lm_eval{name}')
    vars(module).update(content)
    monkeypatch.setitem(sys.modules, module.__name__, module)
  # Imported anew, and forgotten when this is over.
  monkeypatch.setitem(sys.modules, ADAPTER, None)
  del sys.modules[ADAPTER]
  model, asked = make(include_path='folder')
  return model, task, asked


def check(prompt, question):
  text = as_text(prompt)
  assert text.count('<image>') == 3 and text.count('<EOC>') == 2
  assert text.endswith(f'<image>Question: {question} Answer:')
  assert all(shot.split()[-1] in NAMES for shot in text.split('<EOC>')[:2])


def test_answers_and_likelihoods_have_seen_the_pictures(alone):
  model, task, asked = alone
  options = {'max_gen_toks': 3, 'until': ['\n\n'], 'do_sample': False}
  said = model.generate_until([task.request(i, options) for i in range(2)])
  assert len(said) == 2 and all(isinstance(text, str) for text in said)
  (prompts,) = asked
  check(prompts[0], 'What is 9?')
  check(prompts[1], 'What is 10?')
  likelihoods = model.loglikelihood(
      [task.request(0, f' {name}') for name in NAMES[:2]]
  )
  np.testing.assert_allclose(
      [value for value, _ in likelihoods],
      model.predictor.score(prompts[0], NAMES[:2]), rtol=1e-5,
  )
  with pytest.raises(UserError, match='1 requests are for the likelihood of'):
    model.loglikelihood_rolling([None])


def test_the_harness_asks_with_the_pictures_of_the_shots(write, evaluate):
  results, ((first, second),) = evaluate(write(ASKED))
  check(first, 'What is 0?')
  check(second, 'What is 1?')
  samples = results['samples']['pictures']
  assert [sample['doc_id'] for sample in samples] == [0, 1]
  assert all(isinstance(sample['resps'][0][0], str) for sample in samples)


def test_the_harness_ranks_by_what_the_shots_show(write, evaluate):
  folder = write(RANKED)

  def likelihoods():
    results, asked = evaluate(folder)
    check(asked[0], 'What is 0?')
    assert len(asked) == 4  # each prompt is scored and answered once
    samples = results['samples']['pictures']
    return [float(r[0][0]) for s in samples for r in s['resps']]

  before = likelihoods()
  for i in range(6):
    path = folder / f'train{i}.png'
    pixels = np.asarray(PIL.Image.open(path))
    PIL.Image.fromarray(255 - pixels).save(path)
  after = likelihoods()
  assert len(before) == 8
  assert np.abs(np.subtract(before, after)).min() > 1e-4
