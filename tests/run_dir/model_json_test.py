# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A run's folder at gs://; a folder of this machine plays the bucket."""

import dataclasses
import inspect
import json
import pathlib

from clu import metric_writers
from etils.epath import backend, gpath
import pytest

from flamingo_jax import predictor
from flamingo_jax.data.buckets import as_folder
from flamingo_jax.driver.log import MetricsLog
from flamingo_jax.errors import UserError
from flamingo_jax.models import (
    ContrastiveConfig,
    FlamingoConfig,
    LanguageModelConfig,
)
from flamingo_jax.run_dir import weights
from flamingo_jax.run_dir.model_json import (
    read_model_json,
    check_model_json,
    write_atomically,
    write_model_json,
)
from flamingo_jax.run_dir.pretrained import load_tower
from flamingo_jax.run_dir.steps import checkpoint_folder, saved_steps

RUN = 'gs://bucket/run'


@pytest.fixture
def bucket(tmp_path, monkeypatch):
  """What is written to gs://bucket lands here, and nowhere else."""
  local = backend._OsPathBackend()
  here = lambda x: (
      str(x).replace('gs://bucket', str(tmp_path)) if 'gs:' in str(x) else x
  )
  there = lambda x: (
      x.replace(str(tmp_path), 'gs://bucket') if isinstance(x, str) else x
  )

  def redirect(name):
    def call(self, *args, **kwargs):
      del self
      result = getattr(local, name)(*map(here, args), **kwargs)
      return list(map(there, result)) if name == 'glob' else result

    return call

  names = [
      name for name, _ in inspect.getmembers(backend.Backend, callable)
      if not name.startswith('_')
  ]
  fake = type('Bucket', (backend.Backend,), {n: redirect(n) for n in names})()
  monkeypatch.setattr(backend, 'tf_backend', fake)
  monkeypatch.setattr(gpath, '_GCS_BACKENDS', (fake,))
  monkeypatch.chdir(tmp_path)
  yield tmp_path
  assert not (tmp_path / 'gs:').exists()


def test_an_address_keeps_its_slashes_and_a_folder_becomes_absolute(tmp_path):
  assert str(as_folder(f'{RUN}/')) == RUN
  assert str(checkpoint_folder(RUN, 3)) == f'{RUN}/checkpoint_3'
  assert as_folder('run').is_absolute()
  assert str(as_folder(tmp_path)) == str(tmp_path)


def test_a_checkpoint_in_a_bucket_counts_when_it_is_whole(bucket):
  for step in (3, 12, 20):
    (bucket / 'run' / f'checkpoint_{step}').mkdir(parents=True)
  for step in (3, 12):
    (bucket / 'run' / f'checkpoint_{step}' / 'commit_success.txt').touch()
  assert saved_steps(RUN) == [3, 12]


def test_a_run_describes_itself_in_a_bucket(bucket, model, config):
  (bucket / 'run').mkdir()
  write_model_json(RUN, config, model.vocabulary, max_media=2, frames=1)
  check_model_json(RUN, config, model.vocabulary)
  assert sorted(path.name for path in (bucket / 'run').iterdir()) == [
      'model.json', 'vocabulary.model'
  ]
  copy = bucket / 'run' / 'vocabulary.model'
  assert copy.read_bytes() == pathlib.Path(model.vocabulary.path).read_bytes()
  path = as_folder(RUN) / 'model.json'
  write_atomically(path, path.read_text().replace(
      model.vocabulary.sha256, 'another'
  ))
  with pytest.raises(UserError, match=f'{RUN}/vocabulary.model'):
    check_model_json(RUN, config, model.vocabulary)


def test_the_log_of_a_run_grows_in_a_bucket(bucket, monkeypatch):
  monkeypatch.setattr(
      metric_writers, 'SummaryWriter',
      lambda folder: metric_writers.MultiWriter([]) if folder == (
          f'{RUN}/tensorboard'
      ) else pytest.fail(folder),
  )
  (bucket / 'run').mkdir()
  for first, steps in ((0, (1, 2, 3)), (2, (3,))):
    log = MetricsLog(RUN, first)
    for step in steps:
      log.write(step, {'loss': float(step + first)})
    log.close()
  lines = (bucket / 'run' / 'metrics.jsonl').read_text().splitlines()
  assert [json.loads(line) for line in lines] == [
      {'step': 1, 'loss': 1.0}, {'step': 2, 'loss': 2.0},
      {'step': 3, 'loss': 5.0},
  ]


def test_what_is_missing_in_a_bucket_is_named_by_its_address(bucket):
  for call in (
      lambda: weights.load_params(RUN),
      lambda: load_tower(RUN, 'decoder', {}),
      lambda: predictor.load(RUN),
  ):
    with pytest.raises(UserError, match=f'{RUN}'):
      call()


# model.json as it was first published; to stay as they are.
FIRST = pathlib.Path(__file__).parent / 'first_format'
KINDS = {
    'flamingo': FlamingoConfig,
    'language_model': LanguageModelConfig,
    'two_towers': ContrastiveConfig,
}


@pytest.mark.parametrize('kind, made', KINDS.items())
def test_a_field_more_orphans_no_run(kind, made, tmp_path, model):
  description = json.loads((FIRST / f'{kind}.json').read_text())
  architecture = description['architecture']
  vocabulary = model.vocabulary
  description['vocabulary_sha256'] = vocabulary.sha256
  path = tmp_path / 'model.json'
  path.write_text(json.dumps(description))
  check_model_json(tmp_path, made.from_dict(architecture), vocabulary)

  later = dataclasses.make_dataclass(  # in a version with one more field
      'Later', [('one_more', int, 3)], bases=(made,), frozen=True
  )
  now = later.from_dict(architecture)
  check_model_json(tmp_path, now, vocabulary)
  with pytest.raises(UserError, match='one_more is 3 there and 4'):
    check_model_json(
        tmp_path, dataclasses.replace(now, one_more=4), vocabulary
    )


@pytest.mark.parametrize('kind, made', KINDS.items())
def test_what_is_no_such_architecture_is_told_by_name(
    kind, made, tmp_path, model
):
  description = json.loads((FIRST / f'{kind}.json').read_text())
  architecture = description['architecture']
  first = made.from_dict(architecture)
  (part,) = {'decoder', 'text'} & architecture.keys()
  cases = {
      'unheard_of is not known': architecture | {'unheard_of': 1},
      f'{part}.unheard_of is not known':
          architecture | {part: architecture[part] | {'unheard_of': 1}},
      f'{part} is 5, no fields': architecture | {part: 5},
      f'{part} is missing':
          {k: v for k, v in architecture.items() if k != part},
      f'{part}.vocab is missing': architecture | {part: {
          k: v for k, v in architecture[part].items() if k != 'vocab'
      }},
  }
  for problem, values in cases.items():
    (tmp_path / 'model.json').write_text(
        json.dumps(description | {'architecture': values})
    )
    with pytest.raises(UserError, match=problem) as error:
      check_model_json(tmp_path, first, model.vocabulary)
    assert str(tmp_path) in str(error.value)
    assert made.MODEL in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('change, told', [
    ({'architecture': None}, 'architecture is None and has to be an object'),
    ({'architecture': []}, 'architecture is [] and has to be an object'),
    ({'frames': '8'}, "frames is '8' and has to be a whole number"),
    ({'max_media': True}, 'max_media is True and has to be a whole number'),
    ({'vocabulary_sha256': 5}, 'vocabulary_sha256 is 5 and has to be a text'),
])
def test_a_damaged_file_is_one_sentence(tmp_path, change, told):
  path = tmp_path / 'model.json'
  path.write_text(json.dumps({
      'format': 1, 'architecture': {}, 'vocabulary_sha256': '', 'max_media': 1,
      'frames': 1,
  } | change))
  with pytest.raises(UserError) as error:
    read_model_json(tmp_path)
  assert str(error.value).startswith(f'{path} is damaged ({told}): copy it back')
