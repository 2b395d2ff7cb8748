# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of training on one's own JSONL file."""

import json
import logging
import re

import gin
import numpy as np
from PIL import Image
import pytest

from flamingo_jax import cli
from flamingo_jax import gin_macros
from flamingo_jax.data import documents
from flamingo_jax.data import pipeline
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.tasks import own_data
from tests import command_examples
from tests import datasets
from tests.shards import write_shards

LENGTHS = {'tokens': 16, 'media': 1, 'image_size': 8}
CAPTIONS = ['a cat', 'two  dogs', 'il était là']


@pytest.fixture
def jsonl(tmp_path):
  """Three one-coloured pictures with captions."""
  for i in range(len(CAPTIONS)):
    Image.new('RGB', (8, 8), (i, 10 * i, 100)).save(tmp_path / f'{i}.png')
  return datasets.write_jsonl(tmp_path / 'own.jsonl', *(
      [{'image': f'{i}.png'}, {'text': caption}]
      for i, caption in enumerate(CAPTIONS)
  ))


def test_a_batch_larger_than_the_file_repeats_it(jsonl):
  name = own_data.mixture(str(jsonl), LENGTHS)
  (batch,) = datasets.read(datasets.config(name, LENGTHS, 7), 1)
  ids = batch['own_data/example_id'][:, 0]
  assert sorted(ids[:3]) == sorted(ids[3:6]) == [1, 2, 3]  # lines of the file
  vocabulary = default_vocabulary()
  for row, line in enumerate(ids):
    kept = batch['own_data/loss_weights'][row, 0] > 0
    targets = batch['own_data/targets'][row, 0][kept]
    assert vocabulary.decode(targets[:-2]) == CAPTIONS[line - 1]
    assert list(targets[-2:]) == [vocabulary.eoc_id, vocabulary.eos_id]
    np.testing.assert_array_equal(
        batch['own_data/media'][row, 0, 0, 0],
        np.broadcast_to([line - 1, 10 * (line - 1), 100], (8, 8, 3)),
    )


def test_registering_again_replaces_the_file(jsonl, tmp_path):
  own_data.mixture(str(jsonl), LENGTHS)
  shorter = tmp_path / 'shorter.jsonl'
  shorter.write_text(jsonl.read_text(encoding='utf-8').splitlines()[1])
  name = own_data.mixture(str(shorter), LENGTHS)
  (batch,) = datasets.read(datasets.config(name, LENGTHS, 2), 1)
  kept = batch['own_data/loss_weights'][0, 0] > 0
  text = batch['own_data/targets'][0, 0][kept][:-2]
  assert default_vocabulary().decode(text) == CAPTIONS[1]


def test_validation_is_a_file_of_its_own(jsonl):
  name = own_data.mixture(str(jsonl), LENGTHS, validation_path=str(jsonl))
  cfg = datasets.config(name, LENGTHS, 3, split='validation', shuffle=False)
  found = pipeline.get_training_eval_datasets(cfg, 0, 1, eval_steps=2)
  batches = list(found['own_data'].as_numpy_iterator())
  assert [list(batch['example_id']) for batch in batches] == [[1, 2, 3]] * 2
  own_data.mixture(str(jsonl), LENGTHS)
  with pytest.raises(UserError, match="no split 'validation'; it has train"):
    pipeline.get_training_eval_datasets(cfg, 0, 1, eval_steps=2)


def test_what_does_not_fit_is_told_in_one_line(jsonl, caplog):
  with caplog.at_level(logging.WARNING, logger='absl'):
    own_data.mixture(str(jsonl), LENGTHS)
    assert not caplog.messages
    own_data.mixture(str(jsonl), LENGTHS | {'tokens': 8})
  (message,) = caplog.messages
  assert message.startswith(f'{jsonl}: of 3 documents, ')
  assert 'longer than 8 tokens' in message and '--gin.TOKENS=' in message
  assert 'MEDIA' not in message and 'FRAMES' not in message
  assert '\n' not in message


def test_the_options_that_would_do_are_named_and_do(jsonl, caplog):
  frames = [Image.new('RGB', (8, 8), (60 * i, 0, 0)) for i in range(3)]
  frames[0].save(jsonl.parent / 'm.gif', save_all=True,
                 append_images=frames[1:], duration=1000)
  parts = [{'image': '0.png'}, {'text': 'one two three'}, {'video': 'm.gif'},
           {'text': 'four five six'}, {'image': '1.png'}]
  with open(jsonl, 'a', encoding='utf-8') as file:
    file.write(json.dumps({'parts': parts}) + '\n')
  with caplog.at_level(logging.WARNING, logger='absl'):
    own_data.mixture(str(jsonl), LENGTHS)
    (message,) = caplog.messages
    options = dict(re.findall(r'--gin\.([A-Z]+)=(\d+)', message))
    assert set(options) == {'TOKENS', 'MEDIA', 'FRAMES'}
    assert (options['MEDIA'], options['FRAMES']) == ('3', '8')
    assert message.startswith(f'{jsonl}: of 4 documents, 1 longer')
    caplog.clear()
    enough = {key.lower(): int(value) for key, value in options.items()}
    own_data.mixture(str(jsonl), LENGTHS | enough)
    assert not caplog.messages
    own_data.mixture(
        str(jsonl), LENGTHS | enough | {'tokens': enough['tokens'] - 1})
    assert f'--gin.TOKENS={enough["tokens"]}' in caplog.messages[0]


@pytest.mark.parametrize('tokens', [None, 3, 128])
def test_check_says_what_the_run_warns_of(jsonl, caplog, capsys, tokens):
  with open(jsonl, 'a', encoding='utf-8') as file:
    parts = [{'image': '0.png'}, {'text': 'one of many words ' * 40}]
    file.write(json.dumps({'parts': parts}) + '\n')
  command = ['check', str(jsonl), f'--gin.TOKENS={tokens}'][:2 + bool(tokens)]
  if tokens == 128:
    command = command_examples.arguments('check', 1, {'pairs.jsonl': jsonl})
  assert cli.main(command) == 0
  own = gin_macros.read(['configs/own_data.gin'])['LENGTHS']
  own['image_size'] = 64  # which a function says
  with caplog.at_level(logging.WARNING, logger='absl'):
    own_data.mixture(str(jsonl), own | ({'tokens': tokens} if tokens else {}))
  (message,) = caplog.messages
  sentence = message.removeprefix(f'{jsonl}: ')
  assert f'longer than {tokens or 64} tokens' in sentence
  assert sentence in capsys.readouterr().out.splitlines()


def test_check_takes_the_lengths_of_a_folder_from_its_run(
    jsonl, capsys, tmp_path
):
  found = list(documents.JsonlDocuments(str(jsonl)))
  long = documents.Document(('word ' * 300, *found[0].parts), 'x', 9)
  for name in ('mine', 'align'):
    write_shards([*found, long], tmp_path / name / 'train')
  (tmp_path / 'run.gin').write_text(
      "TASK_FEATURE_LENGTHS = {'mine': {'tokens': 9, 'media': 1},\n"
      "                        'align': {'tokens': 8, 'media': 1}}\n"
  )
  gin_file = f'--gin_file={tmp_path / "run.gin"}'
  m3w = command_examples.arguments('check', 2, {'data': tmp_path})
  (tmp_path / 'm3w').symlink_to(tmp_path / 'mine')
  assert cli.main(m3w) == 0
  assert 'longer than 256 tokens' in capsys.readouterr().out
  for name, options, tokens in (
      ('mine', (), 256), ('align', (), 32), ('mine', (gin_file,), 9),
      ('align', (gin_file,), 8),
  ):
    assert cli.main(['check', str(tmp_path / name / 'train'), *options]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert f'longer than {tokens} tokens; an example shows a part' in last
    named = 'TASK_FEATURE_LENGTHS' if options else 'DATASETS'
    assert last.endswith(f'in {named} would show more')
  for option, sentence in (
      (gin_file, 'is none of the data sets mine, align'),
      ('--gin.TOKNES=9', "unknown gin name 'TOKNES': did you mean TOKENS?"),
      ('--gin.TOKENS=many', "'tokens' of 'own_data' in configs/own_data.gin is "),
      ('--gin.TOKENS=0', 'is 0, but must be a positive whole number'),
  ):
    assert cli.main(['check', str(jsonl), option]) == 2
    assert sentence in capsys.readouterr().err


def test_a_bad_file_is_told_before_anything_is_registered(jsonl):
  with open(jsonl, 'a', encoding='utf-8') as file:
    file.write('{"parts": [{"image": "nowhere.png"}, {"text": "x"}]}\n')
  with pytest.raises(UserError, match=r'own\.jsonl:4: .*nowhere\.png'):
    own_data.mixture(str(jsonl), LENGTHS)
  with pytest.raises(UserError, match='--data=FILE.jsonl'):
    own_data.mixture('', LENGTHS)
  with pytest.raises(UserError, match="wrong at 'media'"):
    own_data.mixture(str(jsonl), {'tokens': 8, 'image_size': 8})


def test_gin_builds_it(jsonl):
  gin.parse_config(f"""
      from __gin__ import dynamic_registration
      from flamingo_jax.data import pipeline
      from flamingo_jax.tasks import own_data
      LENGTHS = {{'tokens': 16, 'media': 1, 'image_size': 8}}
      DATA = '{jsonl}'
      own_data.mixture.path = %DATA
      own_data.mixture.lengths = %LENGTHS
      pipeline.DatasetConfig:
        mixture_or_task_name = @own_data.mixture()
        task_feature_lengths = {{'own_data': %LENGTHS}}
        split = 'train'
        batch_sizes = {{'own_data': 2}}
        shuffle = True
        seed = 3
  """)
  try:
    cfg = gin.get_configurable(pipeline.DatasetConfig)()
  finally:
    gin.clear_config()
  assert cfg == datasets.config('own_data', LENGTHS, 2, seed=3)


@pytest.mark.parametrize('packed', [{}, {'documents': 2}])
def test_captions_that_are_kept_apart_are_asked_for_too(jsonl, packed):
  apart = jsonl.with_name('apart.jsonl')
  apart.write_text(jsonl.read_text('utf-8').splitlines()[2] + '\n')
  lengths = LENGTHS | packed
  name = own_data.mixture(str(jsonl), lengths, validation_path=str(apart))
  asked = own_data.evaluation(name, lengths, batch_size=2)
  assert asked.task_feature_lengths == LENGTHS | {'frames': 1, 'targets': 16}
  found = {}
  for task in pipeline.mixture_tasks(asked.mixture_or_task_name):
    examples = task.get_dataset(
        asked.task_feature_lengths, asked.split, shuffle=False, num_epochs=1
    ).as_numpy_iterator()
    found[task.name] = {e['answers'][0].decode() for e in examples}
  assert found['own_data_said'] == set(CAPTIONS)
  assert found['own_data_validation_said'] == {CAPTIONS[2]}
  assert found['own_data_validation_given'] == {CAPTIONS[2]}
