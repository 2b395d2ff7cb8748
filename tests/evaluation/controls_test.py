# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Controls and orders of the shots: `flamingo eval --controls=... --orders=N`."""

import json
import zlib

import numpy as np
import pytest

from flamingo_jax import cli
from flamingo_jax.data.media import Media
from flamingo_jax.evaluation import stored_cards
from tests.evaluation.answerers import Oracle, evaluate
from tests.evaluation.endpoint_test import fake, says  # pylint: disable=unused-import


def parts(body):
  return [
      part for turn in body['messages'] if turn['role'] == 'user'
      for part in turn['content']
  ]


def is_shown(body):
  return any(part['type'] != 'text' for part in parts(body))


def test_all_stands_beside_the_score(fake, data, tmp_path, capsys):
  def reply(body):
    return says('three' if is_shown(body) else 'nothing at all')

  fake.replies.append(reply)
  assert cli.main([
      'eval', '--benchmark=vqav2', f'--data={data}', '--shots=0,2', '--limit=6',
      '--orders=2', '--controls=no_pictures,shuffled_labels',
      f'--endpoint={fake.url}', '--model=it', f'--out={tmp_path}',
  ]) == 0
  start = 'vqav2_validation'
  names = [path.parent.name for path in tmp_path.glob('*/card.json')]
  assert sorted(names) == sorted(f'{start}_{x}_first6_seed0' for x in (
      # Two texts have no labels to shuffle, and no order worth a look.
      '0shot', '0shot_no_pictures', '2shot', '2shot_order1',
      '2shot_no_pictures', '2shot_no_pictures_order1',
      '2shot_shuffled_labels', '2shot_shuffled_labels_order1',
  ))
  assert len(fake.bodies) == 6 * len(names)
  assert sum(map(is_shown, fake.bodies)) == 6 * 5
  card = stored_cards.read(tmp_path / f'{start}_2shot_first6_seed0/card.json')
  blind = stored_cards.read(
      tmp_path / f'{start}_2shot_no_pictures_first6_seed0/card.json'
  )
  assert '<image>' not in blind['prompt']['example']
  assert blind['prompt']['example'] == card['prompt']['example'].replace(
      '<image>', ''
  )
  score = card['scores']['vqa_accuracy']['score']
  assert score > 0 == blind['scores']['vqa_accuracy']['score']
  assert card['baselines']['no_pictures']['vqa_accuracy'] == 0
  rows = json.loads((tmp_path / 'vqav2.json').read_text())
  assert [(r['shots'], r['orders'], r['no_pictures'], r['shuffled_labels'])
          for r in rows[::2]] == [(0, 1, 0, None), (2, 2, 0, score)]
  printed = capsys.readouterr().out
  assert f'2 shots: {score:+.2f} over no pictures (95 % over queries: ' in printed
  assert 'over orders' in printed and 'no_pictures  shuffled_labels' in printed

  # What is added later is asked, and no more.
  fake.bodies.clear()
  assert cli.main([
      'eval', '--benchmark=vqav2', f'--data={data}', '--shots=2', '--limit=6',
      '--seeds=0,1', '--controls=text_only',
      f'--endpoint={fake.url}', '--model=it', f'--out={tmp_path}',
  ]) == 0
  assert len(fake.bodies) == 6 * 3  # another seed, and the control of both
  path = f'{start}_2shot_first6_seed0'
  assert f'{path}: 6 of its answers are from before' in capsys.readouterr().err
  again = stored_cards.read(tmp_path / path / 'card.json')
  assert again['predictions'] == card['predictions']
  assert set(again['baselines']) - set(card['baselines']) == {'text_only'}


def test_orders_show_the_same_shots(data, tmp_path):
  found = []
  for order in range(3):
    _, oracle = evaluate(data, tmp_path, shots=4, order=order)
    found.append([
        [part.path for part in prompt[:-2] if hasattr(part, 'path')]
        for prompt in oracle.asked
    ])
  for one, other, third in zip(*found):
    assert sorted(one) == sorted(other) == sorted(third)
  assert found[0] != found[1] != found[2] != found[0]


class Named(Oracle):
  """Knows the prompts by their texts, as without pictures."""

  def query(self, prefix, prompt):
    self.asked.append([*prefix, *prompt])
    return next(q for (_, text), q in self._known.items() if text == prompt[-1])

  def embed(self, media, **sampling):
    return np.array([
        np.random.default_rng(zlib.crc32(m.path.encode())).normal(size=4)
        for m in media
    ])


def test_the_most_similar_shots_are_chosen_by_pictures_that_are_not_shown(
    data, tmp_path
):
  shots = []
  for control in ('', 'no_pictures'):
    _, model = evaluate(
        data, tmp_path, 'star', Named, rices=True, control=control, ensemble=2
    )
    shots.append([
        [part for part in prompt if isinstance(part, str)]
        for prompt in model.asked
    ])
  assert shots[0] == shots[1]
  assert not any(isinstance(p, Media) for prompt in model.asked for p in prompt)


@pytest.mark.parametrize('flags, sentence', [
    (['--controls=blind'], "'blind' must be one of no_pictures, text_only"),
    (['--shots=0,1', '--controls=shuffled_labels'], 'is for 2 or more shots'),
    (['--shots=1', '--orders=2'], 'more than 1 is for two or more shots'),
    (['--orders=0'], '--orders=0 must be 1 or more'),
    (['--orders=2', '--replay=card.json'], '--orders is for --benchmark: with '
     '--replay leave it out'),
])
def test_what_no_number_of_shots_allows_is_one_sentence(
    data, tmp_path, capsys, flags, sentence
):
  arguments = ['eval', '--benchmark=vqav2', f'--data={data}', *flags]
  assert cli.main([*arguments, f'--out={tmp_path}']) == 2
  assert sentence in capsys.readouterr().err


@pytest.mark.parametrize('flag', [
    '--controls=no_pictures', '--seeds=0,1', '--shots=4', '--batch_size=1'
])
def test_a_flag_that_a_gin_file_does_not_heed_is_refused(capsys, flag):
  assert cli.main(['eval', '--gin_file=configs/eval_shapes.gin', flag]) == 2
  assert 'is for --benchmark: with --gin_file leave it out' in (
      capsys.readouterr().err
  )
