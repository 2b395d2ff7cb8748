# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Every gin file parses and builds; the step of each structure lowers."""

import dataclasses
import json
import math
import pathlib
import re
from unittest import mock

import gin
import jax
import numpy as np
from PIL import Image
import pytest

from flamingo_jax import cli
from flamingo_jax import gin_config
from flamingo_jax import gin_macros
from flamingo_jax.data.vocabulary import Vocabulary, default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models import (
    LanguageModelConfig,
    VisionEncoderConfig,
    ViTConfig,
    contrastive,
    variants,
)
from flamingo_jax.run_dir.model_json import write_model_json
from flamingo_jax.shipped import shipped_weights
from flamingo_jax.training.train_step import abstract_state
from tests.convert.conversion_test import TOKENIZER
from tests.evaluation import miniature

CONFIGS = pathlib.Path(__file__).parents[1] / 'configs'
# tests/evaluation/gin_test.py has the files of evaluations.
EXPERIMENTS = sorted(
    path.name for path in CONFIGS.glob('*.gin')
    if not path.name.startswith(('eval_', 'infer_', 'lm_', 'contrastive_'))
)
PUBLIC = (
    'flamingo_llama_1b.gin', 'flamingo_qwen_8b.gin', 'flamingo_llama_70b.gin'
)
OWN = ('own_data.gin', 'flamingo_smollm2.gin', 'finetune_own_data.gin')
PAPERS = ('flamingo_3b.gin', 'flamingo_9b.gin', 'flamingo_80b.gin')
# What differs from others in numbers alone is built, and not lowered: blocks of
# flamingo_3b are as often as own_data's, its encoder is flamingo_80b's.
ALIKE = (
    'finetune_own_data.gin', 'flamingo_3b.gin', 'flamingo_9b.gin',
    'flamingo_llama_1b.gin', 'lm_7b.gin',
)
MODELS = sorted(path.name for path in CONFIGS.glob('models/*.gin'))

pytestmark = pytest.mark.usefixtures('this_is_main')


def train(
    *, model, train_dataset_cfg, partitioner, trainer_cls, get_dataset_fn,
    **unused
):
  """A driver that builds a run: model, batch, and what lowers its step."""
  assert {'model_dir', 'total_steps', 'checkpoint_cfg'} <= set(unused)
  state, frozen_params = abstract_state(model, partitioner)
  layout = partitioner.get_data_layout(train_dataset_cfg.batch_size)
  dataset = get_dataset_fn(
      train_dataset_cfg, layout.shard_id, layout.num_shards
  )
  batch = {
      key: jax.ShapeDtypeStruct(
          spec.shape, spec.dtype,
          sharding=partitioner.batch_sharding,
      )
      for key, spec in dataset.element_spec.items()
  }
  trainer = trainer_cls(model=model, partitioner=partitioner)
  return model, batch, lambda: trainer.lower_train(
      state, frozen_params, batch
  ).as_text()


@pytest.fixture
def data(tmp_path):
  Image.new('RGB', (20, 30), 'red').save(tmp_path / 'red.png')
  line = {'parts': [{'image': 'red.png'}, {'text': 'a red picture'}]}
  (tmp_path / 'data.jsonl').write_text(json.dumps(line) + '\n')
  return tmp_path / 'data.jsonl'


def run(files, *bindings):
  configured = gin.configurable(train)
  gin_config.parse([str(CONFIGS / file) for file in files], bindings)
  return gin_config.one_sentence(configured)


# The tests have eight devices, which divide the batches.
TINY = {'shapes_bind': 24, 'digits_bind': 8, 'shapes_m3w': 8,
        'shapes_pairs': 32, 'shapes_video': 8}
# Of the large models only the size of the vocabulary is known.
ABLATIONS = {'m3w': 256, 'align': 512, 'ltip': 512, 'vtp': 64}
LARGE_TEXT = [
    f'VOCABULARY={default_vocabulary().path}',
    f'variant.overrides={{"decoder.vocab": {default_vocabulary().base_size}}}',
]
LARGE = ['VISION_ENCODER=one', 'LANGUAGE_MODEL=other', *LARGE_TEXT]
TEXT = '{"parts": [{"text": "some words"}]}\n'


def tower(folder):
  """SmolLM2 without its weights, and with other words."""
  folder.mkdir()
  words = folder / 'words.json'
  words.write_text(json.dumps({
      'rows': 49_152, 'bos_id': 1, 'eos_id': 2, 'tokenizer': TOKENIZER,
  }))
  decoder = variants.get('flamingo_smollm2', {'decoder.xattn_every': 1}).decoder
  write_model_json(
      folder, LanguageModelConfig(decoder, 'float32'), Vocabulary(words), 0, 1
  )
  return folder


@pytest.mark.parametrize('file', EXPERIMENTS)
def test_every_experiment_is_built(file, data, papers_data, tmp_path):
  bindings = [f'MODEL_DIR={tmp_path / "run"}']
  if file in OWN:
    bindings.append(f'DATA={data}')
  if file == 'finetune_own_data.gin':
    bindings += [f'VALIDATION={data}', f'INITIAL_WEIGHTS={shipped_weights()}']
  if file == 'finetune_benchmark.gin':
    miniature.WRITERS['vqav2'](tmp_path / 'vqav2')
    bindings += [
        f'DATA={tmp_path}', 'HELD_OUT=4', f'INITIAL_WEIGHTS={shipped_weights()}'
    ]
  if file == 'own_features.gin':
    np.save(tmp_path / 'x.npy', np.zeros((1, 5, 7), np.float32))
    line = {'parts': [{'features': 'x.npy'}, {'text': 'an array'}]}
    (tmp_path / 'arrays.jsonl').write_text(json.dumps(line) + '\n')
    bindings.append(f'DATA={tmp_path / "arrays.jsonl"}')
  if file == 'flamingo_smollm2.gin':
    bindings += [f'LANGUAGE_MODEL={tower(tmp_path / "tower")}', 'BATCH_SIZE=8']
  if file == 'flamingo_tiny.gin':
    bindings.append(f'BATCH_SIZES={TINY}')
  if file in PAPERS:
    bindings += [
        *LARGE, f'DATA_DIR={papers_data}', f'BATCH_SIZES={ABLATIONS}',
        "MESH_SHAPE={'replica': 2, 'fsdp': 2, 'model': 2}",
    ]
  if file in PUBLIC:
    others = f'{{"decoder.vocab": {default_vocabulary().base_size}}}'
    bindings += [
        *LARGE[:2], f'DATA_DIR={papers_data}', f'tower_overrides.others={others}',
        "MESH_SHAPE={'replica': 2, 'fsdp': 2, 'model': 2}",
        "BATCH_SIZES={'obelics': 8, 'laion': 16}",
    ]
  model, batch, lower = run([file], *bindings)
  shapes = {
      key.removesuffix('/media'): x.shape for key, x in batch.items()
      if key.endswith('/media')
  }
  if file == 'own_features.gin':
    assert [*shapes.values()] == [(16, 1, 1, 1, 5, 7)]
  if file in PAPERS:
    # Eight frames of video: 64 clips over eight devices' rows.
    assert shapes['vtp'] == (64, 1, 1, 8, 320, 320, 3)
    assert shapes['m3w'] == (64, 4, 5, 1, 320, 320, 3)
  if file in ('finetune_own_data.gin', 'finetune_benchmark.gin'):
    assert [*shapes.values()] == [(8, 1, 1, 1, 480, 480, 3)]
  if file in PUBLIC:
    size = model.config.image_size
    assert shapes['obelics'] == (8, 1, 5, 1, size, size, 3)
    assert shapes['laion'] == (8, 2, 1, 1, size, size, 3)
  if file not in ALIKE:
    width = model.config.decoder.width
    assert f'tensor<1x{width}xf32>' in lower()  # <EOC>'s row


def test_pictures_have_the_size_that_the_vision_encoder_knows(data, tmp_path):
  vision = ViTConfig(patch=4, layers=1, width=8, heads=2, grid=3)
  encoder = VisionEncoderConfig(vision, image_size=14)
  (tmp_path / 'encoder').mkdir()
  write_model_json(tmp_path / 'encoder', encoder, None, 0, 1)
  model, _, lower = run(
      ['own_data.gin'], f'MODEL_DIR={tmp_path / "run"}', f'DATA={data}',
      f'VISION_ENCODER={tmp_path / "encoder"}',
  )
  assert model.config.vision == vision
  assert 'tensor<16x1x1x1x14x14x3xui8>' in lower()


@pytest.mark.parametrize('file, rows, mesh', [
    ('lm_tiny_value.gin', 64, None),
    ('lm_tiny.gin', 32, None),
    ('lm_own_text.gin', 16, None),
    ('lm_1b4.gin', 128, "{'fsdp': 8}"),
    ('lm_7b.gin', 1024, "{'replica': 2, 'fsdp': 2, 'model': 2}"),
    ('lm_70b.gin', 1536, "{'replica': 2, 'fsdp': 2, 'model': 2}"),
])
def test_every_language_model_is_built(file, rows, mesh, papers_data, tmp_path):
  bindings = [f'MODEL_DIR={tmp_path / "run"}']
  if mesh:
    bindings += [*LARGE_TEXT, f'DATA_DIR={papers_data}', f'MESH_SHAPE={mesh}']
  if file == 'lm_tiny.gin':
    bindings.append('INITIAL_WEIGHTS=value')
  if file == 'lm_own_text.gin':
    (tmp_path / 'text.jsonl').write_text(TEXT)
    bindings.append(f'DATA={tmp_path / "text.jsonl"}')
  model, batch, lower = run([file], *bindings)
  length = {
      'lm_tiny_value.gin': 32, 'lm_tiny.gin': 96, 'lm_own_text.gin': 256
  }.get(file, 2048)
  assert (rows, 1, length) in {x.shape for x in batch.values()}
  if file in ALIKE:
    return
  text = lower()
  # Logits over the vocabulary alone, without <EOC>.
  vocab = model.config.decoder.vocab
  assert f'x{vocab}xf32>' in text and f'x{vocab + 1}xf32>' not in text


@pytest.mark.parametrize('file, mesh, images', [
    ('contrastive_tiny.gin', None, '8x12x1x1x48x48x3'),
    ('contrastive_own_data.gin', None, '64x1x1x1x64x64x3'),
    ('contrastive_f6.gin', "{'fsdp': 8}", '16384x1x1x1x288x288x3'),
])
def test_every_pair_of_towers_lowers(
    file, mesh, images, data, papers_data, tmp_path
):
  bindings = [f'MODEL_DIR={tmp_path / "run"}']
  if file == 'contrastive_own_data.gin':
    bindings.append(f'DATA={data}')
  if mesh:
    vocabulary = default_vocabulary()
    bindings += [
        f'DATA_DIR={papers_data}', f'MESH_SHAPE={mesh}',
        f'VOCABULARY={vocabulary.path}',
    ]
    small = dataclasses.replace(
        contrastive.CONTRASTIVE['contrastive_f6'],
        text=contrastive.TextEncoderConfig(vocab=vocabulary.base_size),
    )
    with mock.patch.dict(contrastive.CONTRASTIVE, contrastive_f6=small):
      text = run([file], *bindings)[-1]()
  else:
    text = run([file], *bindings)[-1]()
  assert f'tensor<{images}xui8>' in text


@pytest.mark.parametrize('file', PAPERS)
def test_the_papers_values(file, papers_data, tmp_path):
  configured = gin.configurable(train)
  gin_config.parse(
      [str(CONFIGS / file)],
      [*LARGE, f'DATA_DIR={papers_data}', f'MODEL_DIR={tmp_path}'],
  )
  del configured
  value = lambda name: gin.query_parameter(f'{name}/macro.value')
  assert value('TRAIN_STEPS') == 500_000
  assert value('LEARNING_RATE') == 1e-4 and value('WARMUP_STEPS') == 5000
  read = gin_macros.read([str(CONFIGS / file)])
  lengths, sizes = read['DATASETS'], value('BATCH_SIZES')
  assert (value('DATASETS'), read['BATCH_SIZES']) == (lengths, sizes)
  assert lengths['m3w'].items() >= {
      'tokens': 256, 'media': 5, 'image_size': 320
  }.items()
  assert lengths['vtp']['frames'] == 8
  assert {lengths[task]['tokens'] for task in ('align', 'ltip', 'vtp')} <= {
      32, 64
  }
  # Each a multiple of that of the ablations.
  assert sizes.keys() == ABLATIONS.keys()
  assert not any(sizes[task] % size for task, size in ABLATIONS.items())
  mesh = value('MESH_SHAPE') or {'fsdp': 16}  # the smallest slice
  data_shards = mesh.get('replica', 1) * mesh['fsdp']
  assert math.gcd(*sizes.values()) % data_shards == 0
  config = variants.get(value('VARIANT'))
  assert config.decoder.heads % mesh.get('model', 1) == 0


def test_what_an_experiment_includes_is_found_by_t5x_in_any_folder():
  for file in CONFIGS.glob('*.gin'):  # importing runtime has gin look in the package
    before, include, _ = file.read_text().partition("\ninclude '")
    assert include and 'from flamingo_jax import runtime\n' in before, file


def test_every_model_is_some_experiments():
  text = ''.join((CONFIGS / file).read_text() for file in EXPERIMENTS)
  for file in MODELS:
    assert f"include 'configs/models/{file}'" in text


@pytest.mark.parametrize('files, bindings, sentence', [
    (['nowhere.gin'], [], 'nowhere.gin does not exist'),
    (['own_data.gin'], ['MODEL_DIR=x'], 'DATA must be set: add --gin.DATA=...'),
    (['own_data.gin'], ['MODEL_DIRS=x'], 'did you mean MODEL_DIR?'),
    (['own_data.gin'], ['TRAIN_STEPS'], '--gin.TRAIN_STEPS has no value'),
    (['own_data.gin'], ['Nothing.at_all=1'], "matching 'Nothing'"),
    (['own_data.gin'], ['Trainer.what=1'], "parameter named 'what'"),
])
def test_what_gin_does_not_know_is_one_sentence(files, bindings, sentence):
  with pytest.raises(UserError) as error:
    run(files, *bindings)
  assert sentence in str(error.value)
  assert '\n' not in str(error.value)


def test_check_counts_tokens_of_the_language_model(data, tmp_path, capsys):
  folder = tower(tmp_path / 'tower')
  words = Vocabulary(folder / 'vocabulary.model')
  assert cli.main(['check', str(data), '--gin_file=configs/flamingo_smollm2.gin',
                   f'--gin.LANGUAGE_MODEL={str(folder)!r}']) == 0
  told = capsys.readouterr().out
  count = len(words.image_tag) + len(words.encode('a red picture'))
  # <BOS>, <EOC> and <EOS>
  assert f' {count + 3} ' in re.search('(?m)^ *tokens .*', told)[0]
  assert 'no room' in told
