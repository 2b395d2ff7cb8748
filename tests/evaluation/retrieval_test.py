# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Retrieval and zero-shot classification."""

import json

import jax
import jax.numpy as jnp
from flax import linen as nn
import numpy as np
import pytest
import seqio

from flamingo_jax import cli
from flamingo_jax.data import documents, features
from flamingo_jax.data.frames import Sampling
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import paper_benchmarks
from flamingo_jax.evaluation import retrieval
from flamingo_jax.models import DualTower, contrastive
from flamingo_jax.run_dir.weights import load_params
from flamingo_jax.training.losses import contrastive_loss
from flamingo_jax.training.trained_model import ContrastiveModel
from tests import command_examples
from tests.evaluation import miniature
from tests.random_weights import save_run

CONFIG = contrastive.ContrastiveConfig(
    vision='one_block',
    text=contrastive.TextEncoderConfig(
        vocab=2048, layers=1, width=16, heads=2, head_size=8, context=16
    ),
    joint=8, image_size=16, dtype='float32',
)
CAPTIONS = ('a red dog', 'a blue dog', 'a red cat', 'a red and a blue fox')


def test_recall_counts_the_right_answers_among_the_first():
  # Scores of three pictures (rows) for three texts.
  scores = np.array([[9.0, 8, 3], [1, 7, 7], [2, 1, 5]])
  images, texts = np.eye(3), scores.T
  found = retrieval.recalls(images, texts, ['a', 'b', 'c'], (1, 2))
  assert found == {
      # The second picture likes the third text as much as its own.
      'image_to_text/R@1': pytest.approx(2 / 3), 'image_to_text/R@2': 1.0,
      'text_to_image/R@1': pytest.approx(1 / 3),
      'text_to_image/R@2': 1.0,
  }
  # The same words are one answer, right for both of their pictures.
  texts[2] = texts[1]  # [8, 7, 1]
  found = retrieval.recalls(images, texts, ['a', 'b', 'b'], (1,))
  assert found == {
      'image_to_text/R@1': pytest.approx(2 / 3), 'text_to_image/R@1': 0.5
  }


def test_a_picture_has_any_of_its_texts():
  images = np.eye(2)
  texts = np.array([[1.0, 0], [3, 2], [0.5, 5]])
  found = retrieval.recalls(images, texts, list('abc'), (1, 2), [0, 1, 1])
  assert found == {
      # Of the first picture another's text is the likeliest.
      'image_to_text/R@1': 0.5, 'image_to_text/R@2': 1.0,
      'text_to_image/R@1': pytest.approx(2 / 3), 'text_to_image/R@2': 1.0,
  }


def test_a_class_is_the_mean_of_its_prompts():
  prompts = np.array([[[1.0, 0], [0, 1]], [[0, 1], [0, 1]]])
  np.testing.assert_allclose(
      retrieval.class_vectors(prompts), [[0.5**0.5, 0.5**0.5], [0, 1]]
  )


def test_a_text_names_one_class_or_none():
  classes = ('red', 'blue')
  assert [retrieval.label(text, classes) for text in CAPTIONS] == [0, 1, 0, -1]
  assert retrieval.label('A reddish dog', classes) == -1


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  folder = tmp_path_factory.mktemp('run')
  params = nn.unbox(jax.jit(DualTower(CONFIG).init)(
      jax.random.key(0), jnp.zeros((1, 16, 16, 3), jnp.uint8),
      jnp.zeros((1, 1), jnp.int32), jnp.ones((1, 1), bool),
  ))['params']
  save_run(folder, CONFIG, 5, params, {})
  pictures = [
      documents.image(np.full((16, 16, 3), 60 * i, np.uint8)) for i in range(4)
  ]
  features.add_task('matching_test', {'validation': lambda: [
      documents.Document((picture, text), f'test:{i}', i)
      for i, (picture, text) in enumerate(zip(pictures, CAPTIONS))
  ]})
  return folder


def test_a_run_is_scored(run):
  towers = retrieval.Towers(run)
  images, texts = retrieval.read_pairs(towers, 'matching_test', 'validation', 4)
  assert texts == list(CAPTIONS) and towers.step == 5
  assert images[:, 0, 0, 0].tolist() == [0, 60, 120, 180]
  scores = retrieval.evaluate(
      run, 'matching_test', 'validation', 4, ('red', 'blue'), ('a {} thing',)
  )
  assert scores['zero_shot/pictures'] == 3
  assert scores['image_to_text/R@5'] == 1 and scores['text_to_image/R@5'] == 1


def test_texts_are_scored_as_they_are_trained(run):
  towers = retrieval.Towers(run)
  images, texts = retrieval.read_pairs(towers, 'matching_test', 'validation', 4)
  task = seqio.get_mixture_or_task('matching_test')
  lengths = {'tokens': 16, 'media': 1, 'frames': 1, 'image_size': 16}
  examples = list(
      task.get_dataset(lengths, 'validation', shuffle=False).as_numpy_iterator()
  )
  batch = {k: np.stack([x[k] for x in examples]) for k in examples[0]}
  # A text begins behind the tag of its picture, whose ids have no weight.
  assert (batch['loss_weights'][:, 0] == 0).all()
  params, _ = load_params(run)
  model = ContrastiveModel(CONFIG, towers.vocabulary, None)
  found = jax.jit(model.summed_loss)(params, {}, batch)
  expected = jax.jit(contrastive_loss)(
      towers.embed_images(images), towers.embed_texts(texts),
      np.exp(params['log_inverse_temperature']), np.ones(4),
  )
  np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_command_prints_the_scores(run, capsys):
  arguments = [
      *command_examples.arguments('match', 0, {'runs/vision': run}),
      '--task=matching_test', '--examples=4',
  ]
  assert cli.main([
      *arguments, '--module=tests.t5x.two_tasks', '--classes=red, blue',
      '--template=one {} thing',
  ]) == 0
  assert json.loads(capsys.readouterr().out) == retrieval.evaluate(
      run, 'matching_test', 'validation', 4, ['red', 'blue'],
      ['a {} shape', 'one {} thing'],
  )
  assert cli.main([*arguments, '--module=no_such_module']) == 2
  assert '--module=no_such_module cannot be' in capsys.readouterr().err


@pytest.mark.parametrize('name', retrieval.BENCHMARKS)
def test_a_benchmark_is_read_from_its_official_files(
    name, run, tmp_path, capsys, monkeypatch
):
  miniature.WRITERS[name](tmp_path / name)
  assert cli.main(command_examples.arguments('match', 1, {
      'runs/vision': run, '=coco': f'={name}', 'DATA': tmp_path
  })) == 0
  scores = json.loads(capsys.readouterr().out)
  assert scores['videos' if name == 'kinetics700' else 'pictures'] == 30
  # Towers that know everything: a picture's and its texts' vectors are alike.
  row = paper_benchmarks.find(name)
  queries = row.queries(tmp_path, row.split)
  if row.is_close_ended:
    classes = queries[0].candidates
    shown = [classes.index(query.answers[0]) for query in queries]
    knows = lambda text: next(
        i for i, name in enumerate(classes) if text.endswith(f' {name}')
    )
  else:
    shown = range(len(queries))
    knows = {t: i for i, q in enumerate(queries) for t in q.answers}.get
  monkeypatch.setattr(
      retrieval.Towers, 'embed_media', lambda self, media: np.eye(30)[shown]
  )
  monkeypatch.setattr(retrieval.Towers, 'cut', lambda self, text: text)
  monkeypatch.setattr(retrieval.Towers, 'embed_texts', lambda self, texts: (
      np.eye(30)[list(map(knows, texts))]
  ))
  best = retrieval.evaluate_benchmark(run, name, tmp_path)
  assert all(best[key] == 1 for key in best if '@' in key or 'zero' in key)
  assert set(best) == set(scores)


@pytest.mark.parametrize('sampling, seconds', [
    ((30, 3.0), np.arange(30) * 0.5), ((2, 3.0), [0, 7]),
    ((8, 0.25), [0, 4, 8, 12]),
])
def test_a_video_is_the_mean_of_the_frames_that_are_asked_for(
    run, sampling, seconds
):
  frames = np.random.default_rng(0).integers(
      256, size=(15, 16, 16, 3), dtype=np.uint8
  )
  towers = retrieval.Towers(run, sampling=Sampling(*sampling))
  apart = towers.embed_images(frames)
  mean = apart[np.asarray(seconds, int)].mean(axis=0)
  found = towers.embed_media([
      documents.image(frames[3]), documents.video(frames),
      documents.video(frames[:1]),
  ])
  np.testing.assert_allclose(
      found, [apart[3], mean / np.linalg.norm(mean), apart[0]], rtol=1e-4,
      atol=1e-6,
  )


def test_kinetics_is_the_mean_of_top_1_and_top_5(run, tmp_path, monkeypatch):
  miniature.WRITERS['kinetics700'](tmp_path / 'kinetics700')
  row = paper_benchmarks.find('kinetics700')
  queries = row.queries(tmp_path, row.split)
  classes = queries[0].candidates
  count = len(classes)
  # The class of the i-th video is its (i mod 6)-th likeliest, from 0; of
  # ImageNet the first alone would count.
  monkeypatch.setattr(retrieval.Towers, 'embed_texts', lambda self, texts: (
      np.eye(count)[np.repeat(range(count), len(texts) // count)]
  ))
  ranks = np.arange(len(queries)) % 6
  likely = np.arange(count, 0.0, -1)
  videos = [
      np.roll(likely, classes.index(query.answers[0]) - rank)
      for rank, query in zip(ranks, queries)
  ]
  monkeypatch.setattr(
      retrieval.Towers, 'embed_media', lambda self, media: np.stack(videos)
  )
  scores = retrieval.evaluate_benchmark(run, 'kinetics700', tmp_path)
  assert scores == {
      'zero_shot/accuracy': pytest.approx(1 / 6),
      'zero_shot/mean_top1_top5': pytest.approx((1 + 5) / 12), 'videos': 30,
      # Three frames at one per second each, read at the paper's rate.
      'frames': 30, 'fps': 3.0, 'covered_evenly': 0, 'frames_repeated': 30,
  }


def test_what_does_not_fit_is_one_sentence(run):
  with pytest.raises(UserError, match="kinetics700 and not on 'vqav2'"):
    retrieval.evaluate_benchmark(run, 'vqav2', 'nowhere')
  with pytest.raises(UserError, match='reads 16: shorten it'):
    retrieval.Towers(run).embed_texts(['red ' * 20])
  with pytest.raises(UserError, match='names exactly one of pink'):
    retrieval.evaluate(run, 'matching_test', 'validation', 4, ['pink'])
