# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""t5x trains between converted public models, and the built-in driver goes on."""

import json

import jax
import numpy as np
from PIL import Image
import pytest

from flamingo_jax import cli
from flamingo_jax.run_dir import weights
from flamingo_jax.run_dir.fingerprint import fingerprint
from tests.convert.conversion_test import TOKENIZER, WORDS
from tests.convert.language_models_test import write_model
from tests.convert.vision_encoders_test import TOLD, write_encoder
from tests.t5x.program import flags, run_built_in

STEPS = 3


def convert(folder, write, name):
  """A tower of a folder as the hub has it."""
  hub = folder / f'{name}_hub'
  hub.mkdir()
  write(hub, name)
  if write is write_model:
    (hub / 'tokenizer.json').write_text(json.dumps(TOKENIZER))
    (hub / 'tokenizer_config.json').write_text(
        json.dumps({'bos_token': '<s>', 'eos_token': '</s>'})
    )
  assert cli.main(['convert', str(hub), f'--out={folder / name}']) == 0
  return folder / name


def run(folder, steps, program='train'):
  """An entry of a plan: no flag says what the towers know."""
  return {
      'name': 'run', 'files': ['configs/own_data.gin'], 'devices': 1,
      'bindings': [
          f'MODEL_DIR={str(folder / "run")!r}',
          f'DATA={str(folder / "pairs.jsonl")!r}',
          f'LANGUAGE_MODEL={str(folder / "gemma3")!r}',
          f'VISION_ENCODER={str(folder / "clip")!r}', f'TRAIN_STEPS={steps}',
          'WARMUP_STEPS=1', 'STATS_PERIOD=1', f'CHECKPOINT_PERIOD={STEPS}',
          'BATCH_SIZE=2', 'TOKENS=8',
          f'{program}.infer_eval_dataset_cfg=None',
      ],
  }


@pytest.fixture(scope='module')
def trained(folder, run_module):
  """The folder of a run by t5x, with its towers beside it."""
  convert(folder, write_model, 'gemma3')
  convert(folder, write_encoder, 'clip')
  lines = []
  for i in range(4):
    Image.new('RGB', (20, 30), (60 * i, 0, 99)).save(folder / f'{i}.png')
    parts = [{'image': f'{i}.png'}, {'text': f'{WORDS[9 + i]} {WORDS[30]}'}]
    lines.append(json.dumps({'parts': parts}))
  (folder / 'pairs.jsonl').write_text('\n'.join(lines))
  run_module(1, 't5x.train', *flags(run(folder, STEPS)))
  return folder


def read(folder, step=STEPS):
  return weights.load_params(folder, step)[0]


def test_what_the_towers_know_comes_with_them(trained):
  told = json.loads((trained / 'run' / 'model.json').read_text())
  architecture = told['architecture']
  assert architecture['decoder']['vocab'] == 60
  assert architecture['decoder']['layer']['norm_place'] == 'around'
  assert architecture['image_size'] == 12
  processor = TOLD['clip']['processor']
  vision = architecture['vision']
  assert vision['pixel_mean'] == processor['image_mean']
  assert vision['pixel_std'] == processor['image_std']
  tower = json.loads((trained / 'gemma3' / 'model.json').read_text())
  assert told['vocabulary_sha256'] == tower['vocabulary_sha256']


def test_towers_stay_and_what_is_between_them_moves(trained):
  found = read(trained / 'run')
  start = read(trained / 'run', 0)
  for name, part in (('gemma3', 'decoder'), ('clip', 'vision_encoder')):
    tower = read(trained / name, None)[part]
    restored = json.loads((trained / 'run' / 'restored.json').read_text())
    assert restored[part]['fingerprint'] == fingerprint(tower)
    flat = dict(jax.tree_util.tree_leaves_with_path(found[part]))
    for path, x in jax.tree_util.tree_leaves_with_path(tower):
      np.testing.assert_array_equal(flat[path], x)
  moved = jax.tree.map(
      lambda x, y: bool(np.any(np.asarray(x) != np.asarray(y))),
      found['resampler'], start['resampler'],
  )
  assert all(jax.tree.leaves(moved))
  xattn = found['decoder']['groups']['xattn']
  assert np.all(np.asarray(xattn['attn_gate']) != 0)


def test_the_built_in_driver_goes_on(trained):
  # Other tests have a `train` too.
  run_built_in([run(trained, STEPS + 2, 'driver.loop.train')])
  lines = (trained / 'run' / 'metrics.jsonl').read_text().splitlines()
  assert [json.loads(line)['step'] for line in lines][-2:] == [4, 5]
  found = read(trained / 'run', STEPS + 2)
  before = read(trained / 'run')
  same = lambda part: jax.tree.leaves(jax.tree.map(
      lambda x, y: bool(np.all(np.asarray(x) == np.asarray(y))),
      found[part], before[part],
  ))
  assert all(same('vision_encoder')) and not any(same('resampler'))
