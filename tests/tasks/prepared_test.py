# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Mixtures of prepared folders, and the paper's, from tiny shards of each kind."""

import copy
import pathlib
import re
import shutil

import gin
import numpy as np
import PIL.Image
import pytest

from flamingo_jax import cli
from flamingo_jax import gin_config
from flamingo_jax import gin_macros
from flamingo_jax import runtime
from flamingo_jax.data import documents
from flamingo_jax.data import features
from flamingo_jax.data import pipeline
from flamingo_jax.data import records
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.planning import planned_run
from flamingo_jax.tasks import prepared
from tests import datasets, pictures
from tests.shards import write_shards

CONFIGS = pathlib.Path(__file__).parents[2] / 'configs'
DATASETS = {
    'm3w': {
        'weight': 1.0, 'tokens': 24, 'media': 3, 'image_size': 8,
        'batch_size': 4, 'p_next': 0.5,
    },
    'align': {
        'weight': 0.2, 'tokens': 10, 'media': 1, 'image_size': 8,
        'batch_size': 8, 'p_space': 0.5,
    },
    'ltip': {
        'weight': 0.2, 'tokens': 12, 'media': 1, 'image_size': 8,
        'batch_size': 8, 'p_space': 0.5,
    },
    'vtp': {
        'weight': 0.03, 'tokens': 10, 'media': 1, 'frames': 8, 'image_size': 8,
        'batch_size': 4, 'p_space': 0.5,
    },
}
LENGTHS = prepared.task_feature_lengths(DATASETS)
SIZES = prepared.batch_sizes(DATASETS)


def image(red):
  return documents.image(pictures.png(red, (8, 8)))


def video(seconds):
  """A clip that is brighter every second."""
  frames = [
      PIL.Image.new('RGB', (8, 8), (10 * s, 0, 0)) for s in range(seconds)
  ]
  return documents.video(pictures.animate(frames, 'PNG', duration=1000))


@pytest.fixture(scope='module')
def directory(tmp_path_factory):
  directory = tmp_path_factory.mktemp('data')
  parts = {
      'm3w': lambda i: ('Two:', image(i), 'one', image(100 + i), 'two'),
      'align': lambda i: (image(i), 'short'),
      'ltip': lambda i: (image(i), 'long text'),
      'vtp': lambda i: (video(20), 'brighter'),
  }
  for task, draw in parts.items():
    for split, count in (('train', 11), ('validation', 3)):
      write_shards(
          [documents.Document(draw(i), f'{task}:{i}', i) for i in range(count)],
          directory / task / split, shards=2)
  return directory


def config(**changes):
  return datasets.config('prepared', LENGTHS, SIZES, **changes)


def read(task, lengths=LENGTHS, **changes):
  """The first 100 examples of a task, feature by feature."""
  cfg = datasets.config(task, lengths[task], 100, **changes)
  (batch,) = datasets.read(cfg, 1)
  return {key.split('/')[1]: value[:, 0] for key, value in batch.items()}


def test_batches_of_the_mixture_have_the_shapes_of_each_task(directory):
  assert prepared.mixture(str(directory), DATASETS) == 'prepared'
  assert pipeline.mixture_weights('prepared') == {
      'm3w': 1.0, 'align': 0.2, 'ltip': 0.2, 'vtp': 0.03
  }
  (batch,) = datasets.read(config(), 1)
  assert {k: v.shape for k, v in batch.items() if k.endswith('/media')} == {
      'm3w/media': (4, 1, 3, 1, 8, 8, 3),
      'align/media': (4, 2, 1, 1, 8, 8, 3),
      'ltip/media': (4, 2, 1, 1, 8, 8, 3),
      'vtp/media': (4, 1, 1, 8, 8, 8, 3),
  }
  assert batch['m3w/tokens'].shape == (4, 1, 24)
  assert batch['ltip/tokens'].shape == (4, 2, 12)
  assert batch['m3w/media_mask'].sum() == 4 * 2  # of three places
  assert batch['vtp/media_mask'].all()


def test_augmentations_are_the_papers(directory):
  prepared.mixture(str(directory), DATASETS)
  # <BOS> sees the first picture only where text looks ahead.
  share = np.mean(read('m3w')['media_index'][:, 0] == 1)
  assert 0.4 < share < 0.6
  decode = default_vocabulary().decode
  for task in ('align', 'ltip', 'vtp'):
    share = np.mean(['> ' in decode(row) for row in read(task)['tokens']])
    assert 0.4 < share < 0.6, task
  # Clips of 8 consecutive seconds begin anywhere in the first 12.
  values = read('vtp')['media'][:, 0, :, 4, 4, 0].astype(int)
  # A frame has the value 10 x its second, times the clip's random brightness.
  brightness = (values[:, -1] - values[:, 0]) / 70
  assert brightness.min() < 0.85 and brightness.max() > 1.15
  seconds = values / brightness[:, None] / 10  # but for rounded pixels
  np.testing.assert_allclose(np.diff(seconds, axis=1), 1, atol=0.35)
  assert len(set(np.round(seconds[:, 0]))) > 8 and seconds.max() < 19.5


def test_an_epoch_has_every_document_and_validation_keeps_their_order(
    directory,
):
  prepared.mixture(str(directory), DATASETS)
  ids = read('m3w')['example_id'][:11]
  assert sorted(ids) == list(range(11)) != list(ids)
  cfg = config(split='validation', shuffle=False)
  found = pipeline.get_training_eval_datasets(cfg, 0, 1, eval_steps=1)
  batches = {k: next(d.as_numpy_iterator()) for k, d in found.items()}
  assert list(batches['vtp']['example_id']) == [0, 1, 2, 0]
  np.testing.assert_array_equal(
      batches['m3w']['media'][:, :2, 0, 0, 0, 0],
      [[0, 100], [1, 101], [2, 102], [0, 100]],
  )


def test_what_is_missing_must_be_prepared(directory, tmp_path):
  with pytest.raises(UserError, match='--gin.DATA_DIR=DIR'):
    prepared.mixture('', DATASETS)
  with pytest.raises(UserError) as error:
    prepared.mixture(str(tmp_path / 'nowhere'), DATASETS)
  assert '\n' not in str(error.value)
  shutil.copytree(directory, tmp_path / 'data')
  shutil.rmtree(tmp_path / 'data' / 'ltip' / 'train')
  shutil.rmtree(tmp_path / 'data' / 'vtp' / 'validation')
  ltip = tmp_path / 'data' / 'ltip' / 'train'
  with pytest.raises(UserError) as error:
    prepared.mixture(str(tmp_path / 'data'), DATASETS)
  assert str(error.value) == (
      f'{ltip} must be prepared; make each with `flamingo prepare FORMAT PATH '
      f'--out={ltip}`'
  )
  shutil.copytree(directory / 'ltip' / 'train', ltip)
  prepared.mixture(str(tmp_path / 'data'), DATASETS)  # a split may be missing
  with pytest.raises(UserError, match="'vtp' has no split 'validation'"):
    pipeline.get_training_eval_datasets(config(split='validation'), 0, 1, 1)


def test_a_damaged_shard_is_counted_and_ends_nothing(directory, tmp_path):
  shutil.copytree(directory, tmp_path / 'data')
  shard = tmp_path / 'data' / 'm3w' / 'train' / 'train-00000-of-00002.tfrecord'
  begin, end = records.shard_range(11, 0, 2)
  shard.write_bytes(bytes(shard.stat().st_size))
  prepared.mixture(str(tmp_path / 'data'), DATASETS)
  found = set(read('m3w')['example_id'].tolist())
  assert found == set(range(11)) - set(range(begin, end))
  # Of 100 examples, as many as the shard's share of the documents, or more, as
  # another in their place may be damaged too.
  counts = pipeline.unreadable_counts('prepared')
  assert counts.keys() == {'unreadable/m3w'}
  assert counts['unreadable/m3w'] >= 100 * (end - begin) // 11


def test_public_data_stand_for_the_papers():
  found = [
      gin_macros.read([f'configs/mixtures/flamingo_{name}.gin'])['DATASETS']
      for name in ('pretrain', 'public')
  ]
  # Under their own names, and the same in all else.
  assert [*found[1]] == ['obelics', 'laion', 'cc12m', 'webvid']
  assert [*found[0].values()] == [*found[1].values()]
  for name, entry in found[0].items():  # the paper's weights, as tested above
    keys = ('weight', 'p_next', 'p_space', 'media', 'frames')
    assert [entry.get(key) for key in keys[:3]] == [
        DATASETS[name].get(key) for key in keys[:3]
    ]


@pytest.mark.parametrize('entry, sentence', [
    ({'tokns': 3}, "has the key 'tokns': did you mean 'tokens'?"),
    ({'weight': 0}, "['weight'] is 0; it is the λ of its loss"),
    ({'weight': '1'}, "['weight'] is '1'; it is the λ of its loss"),
    (None, "DATASETS['m3w'] is None; it must be a dict"),
])
def test_what_an_entry_cannot_be_is_told(directory, entry, sentence):
  wrong = {'m3w': DATASETS['m3w'] | entry if entry else entry}
  with pytest.raises(UserError) as error:
    prepared.mixture(str(directory), wrong)
  assert sentence in str(error.value)


def test_a_data_set_without_a_batch_size_is_told():
  with pytest.raises(UserError, match="add it, or bind BATCH_SIZES"):
    prepared.batch_sizes({'m3w': {'weight': 1.0}})
  with pytest.raises(UserError, match='an entry for each data set'):
    prepared.batch_sizes({})


def test_a_data_set_of_ones_own_is_one_call(directory):
  prepared.add_task('ltip', str(directory), augment='')
  found = read('ltip', seed=1)
  assert {tuple(x[0, 0, 0, 0]) for x in found['media']} == {
      (i, 0, 0) for i in range(11)  # neither flipped nor recoloured
  }
  assert (found['media_index'][:, 0] == 0).all()
  features.add_mixture('mine', {'ltip': 0.5})
  assert pipeline.mixture_weights('mine') == {'ltip': 0.5}
  with pytest.raises(UserError, match='absent/train must be prepared'):
    prepared.add_task('absent', str(directory))


@pytest.mark.parametrize('name', ['flamingo_pretrain', 'flamingo_public'])
def test_the_mixture_file_binds_it(directory, tmp_path, name):
  for theirs, public in zip(LENGTHS, ('obelics', 'laion', 'cc12m', 'webvid')):
    for task in (theirs, public):
      (tmp_path / task).symlink_to(directory / theirs)
  experiment = tmp_path / 'experiment.gin'
  experiment.write_text(f"""
      from __gin__ import dynamic_registration
      from flamingo_jax import runtime
      include '{CONFIGS / 'mixtures' / f'{name}.gin'}'
      runtime.Vocabulary.path = '{default_vocabulary().path}'
      runtime.DatasetConfig:
        mixture_or_task_name = %MIXTURE_OR_TASK_NAME
        task_feature_lengths = %TASK_FEATURE_LENGTHS
        batch_sizes = %BATCH_SIZES
        split = 'train'
        shuffle = True
        seed = 0
  """)
  gin.clear_config()
  try:
    gin_config.parse([str(experiment)], [f'DATA_DIR={tmp_path}'])
    cfg = gin.get_configurable(runtime.DatasetConfig)()
    # While gin's bindings are there: the vocabulary is read when asked for.
    pipeline.check_vocabulary(cfg.mixture_or_task_name, default_vocabulary())
  finally:
    gin.clear_config()
  assert (cfg.mixture_or_task_name, cfg.batch_size) == ('prepared', 64)
  spec = pipeline.get_dataset(cfg, 0, 1).element_spec
  pages, pairs, _, videos = cfg.batch_sizes
  assert spec[f'{pages}/media'].shape == (64, 4, 5, 1, 320, 320, 3)
  assert spec[f'{videos}/media'].shape == (64, 1, 1, 8, 320, 320, 3)
  assert spec[f'{pairs}/tokens'].shape == (64, 8, 32)


def test_a_run_says_all_of_a_data_set_once(
    directory, tmp_path, monkeypatch, capsys
):
  text = (CONFIGS.parent / 'CONTRIBUTING.md').read_text(encoding='utf-8')
  (found,) = re.findall(r'```\n(from __gin__.*?)```', text, re.S)
  monkeypatch.chdir(tmp_path)
  pathlib.Path('mine.gin').write_text(found)
  for mine, theirs in ('my_pages', 'm3w'), ('my_captions', 'align'):
    (tmp_path / 'data' / mine).parent.mkdir(exist_ok=True)
    (tmp_path / 'data' / mine).symlink_to(directory / theirs)
  try:
    run = planned_run.read(['mine.gin'])
    assert run.batch_sizes == {'my_pages': 8, 'my_captions': 32}
    assert run.lengths['my_pages'] == {
        'tokens': 256, 'media': 5, 'frames': 1, 'image_size': 64
    }
    name = gin.query_parameter('MIXTURE_OR_TASK_NAME/macro.value')
    assert pipeline.mixture_weights(copy.deepcopy(name)) == {
        'my_pages': 1.0, 'my_captions': 0.2
    }
  finally:
    gin.clear_config()
  command = ['check', 'data/my_captions/train', '--gin_file=mine.gin']
  assert cli.main(command) == 0
  assert 'all documents fit into 32 tokens' in capsys.readouterr().out
