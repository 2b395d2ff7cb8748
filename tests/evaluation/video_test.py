# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How benchmarks of videos are read, what a card says of it, and its replay."""

import numpy as np
import pytest
import seqio

from flamingo_jax import cli
from flamingo_jax.data import media
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import stored_cards
from flamingo_jax.evaluation import clips
from flamingo_jax.evaluation import paper_benchmarks
from flamingo_jax.evaluation import retrieval
from flamingo_jax.evaluation.seqio_scores import EvaluationDatasetConfig
from flamingo_jax.tasks import benchmarks as tasks
from tests.data.video_test import encode
from tests.evaluation import miniature
from tests.evaluation.answerers import Oracle, evaluate

VIDEOS = {'msvdqa', 'msrvttqa', 'ivqa', 'nextqa', 'star', 'vatex', 'youcook2',
          'rareact', 'kinetics700'}
PAPER = {'frames': 30, 'fps': 3.0}


class Watching(Oracle):
  """Sees that all videos are different."""

  def embed(self, media, **sampling):
    self.sampling.append(sampling)
    return np.random.default_rng(0).normal(size=(len(media), 4))


@pytest.fixture(scope='module')
def lengths(tmp_path_factory):
  """DATA, whose first query shows 12 seconds and whose second half of one."""
  folder = tmp_path_factory.mktemp('lengths')
  miniature.WRITERS['ivqa'](folder / 'ivqa')
  rows = paper_benchmarks.find('ivqa').queries(folder, 'test')
  paths = list(dict.fromkeys(row.media[0].path for row in rows))
  for path, seconds, rate in ((paths[0], 12, 4), (paths[1], 0.5, 30)):
    with open(path, 'wb') as file:
      file.write(encode(seconds, rate))
  return folder


@pytest.mark.parametrize('name', paper_benchmarks.BENCHMARKS)
def test_a_row_says_what_its_samples_show(name, data):
  row = paper_benchmarks.find(name)
  assert row.shows == ('video' if name in VIDEOS else 'image')
  samples = [*row.queries(data, row.split), *row.pool(data)]
  assert {m.kind for sample in samples for m in sample.media} == {row.shows}


@pytest.mark.parametrize('name, more', [
    ('ivqa', {'rices': True}), ('star', {}), ('rareact', {'shots': 0}),
])
def test_videos_are_read_as_the_paper_reads_them(name, more, data, tmp_path):
  run = lambda **asked: evaluate(
      data, tmp_path, name, Watching, **{'shots': 1} | more | asked
  )
  card, oracle = run()
  assert oracle.sampling and all(told == PAPER for told in oracle.sampling)
  assert {key: card['settings'][key] for key in PAPER} == PAPER
  card, oracle = run(frames=7, fps=0.5)
  assert all(told == {'frames': 7, 'fps': 0.5} for told in oracle.sampling)
  assert (card['settings']['frames'], card['settings']['fps']) == (7, 0.5)
  # Each has a folder of its own.
  assert len(list(tmp_path.glob('*/card.json'))) == 2


def test_pictures_have_no_frames_and_no_fps(data, tmp_path):
  card, oracle = evaluate(data, tmp_path)
  assert not any(oracle.sampling) and 'clips' not in card
  with pytest.raises(UserError, match='vqav2 shows pictures, and frames and'):
    evaluate(data, tmp_path, frames=30)


@pytest.mark.parametrize('wrong, sentence', [
    ({'fps': 0}, 'fps is 0 and must be a number above 0'),
    ({'frames': 0}, 'frames is 0 and must be a whole number from 1'),
])
def test_what_makes_no_sense_is_one_sentence(wrong, sentence, data, tmp_path):
  with pytest.raises(UserError, match=sentence):
    evaluate(data, tmp_path, 'ivqa', **wrong)
  with pytest.raises(UserError, match=sentence):
    EvaluationDatasetConfig('x', {}, 'test', 1, **wrong)
  with pytest.raises(UserError, match=sentence):
    retrieval.evaluate_benchmark('nowhere', 'kinetics700', data, **wrong)


@pytest.mark.parametrize('asked, even, repeated', [
    # 10 s; three a second of a miniature's clips, which have one.
    ({}, 1, 28),
    ({'frames': 9}, 1, 28),  # 3 s, as they have
    ({'frames': 8}, 1 + 28, 28),
    ({'frames': 36}, 0, 28),
    ({'frames': 12, 'fps': 1}, 0, 0),
    ({'frames': 60, 'fps': 5}, 0, 29),
])
def test_a_card_says_which_videos_are_covered_evenly(
    asked, even, repeated, lengths, tmp_path
):
  card, _ = evaluate(lengths, tmp_path, 'ivqa', shots=0, **asked)
  found = card['clips']
  assert 'longer than frames / fps seconds is covered evenly' in found['rule']
  assert found['covered_evenly'] == even
  assert found['frames_repeated'] == repeated
  told = clips.sentence(card)
  assert ('covered evenly' in told) == bool(even)
  assert ('shown several times' in told) == bool(repeated)


def test_a_card_is_replayed_as_its_videos_were_read(
    run_dir, lengths, tmp_path, capsys
):
  command = ['eval', '--benchmark=ivqa', f'--data={lengths}', '--limit=2',
             f'--model_dir={run_dir}', f'--out={tmp_path}', '--shots=1']
  assert cli.main([*command, '--frames=2', '--fps=0.5', '--rices']) == 0
  (path,) = tmp_path.glob('*/card.json')
  assert path.parent.name == 'ivqa_test_1shot_rices_first2_2frames_0.5fps_seed0'
  assert cli.main(['eval', f'--replay={path}']) == 0
  assert 'are the same, byte for byte' in capsys.readouterr().out
  (again,) = tmp_path.glob('*/replay/*/card.json')
  card = stored_cards.read(path)
  assert stored_cards.read(again)['settings'] == card['settings']
  assert stored_cards.read(again)['clips'] == card['clips']
  assert cli.main(['eval', f'--replay={path}', '--frames=8']) == 2
  assert 'leave --frames and --fps out' in capsys.readouterr().err


@pytest.mark.parametrize('asked, read', [
    ({}, (30, 3.0)), ({'frames': 5}, (5, 3.0)),
    ({'frames': 6, 'fps': 2}, (6, 2.0)),
])
def test_tasks_of_videos_are_read_the_same_way(asked, read, lengths):
  name = tasks.mixture('ivqa', lengths, shots=(0,))
  config = EvaluationDatasetConfig(
      name, {'tokens': 64, 'media': 1, 'image_size': 16, 'targets': 8}, 'test',
      batch_size=1, **asked,
  )
  dataset = seqio.TaskRegistry.get('ivqa_0shot').get_dataset(
      config.task_feature_lengths, 'test', shuffle=False
  )
  queries = paper_benchmarks.find('ivqa').queries(lengths, 'test')
  masks = set()
  for query, example in zip(queries[:9], dataset.as_numpy_iterator()):
    pixels, mask = media.load_frames(query.media[0], read[0], 16, None, read[1])
    np.testing.assert_array_equal(example['media'][0], pixels)
    np.testing.assert_array_equal(example['media_mask'][0], mask)
    masks.add(int(mask.sum()))
  # Twelve seconds, half a second, and three seconds.
  assert masks == {min(read[0], round(read[1] * s + 0.4)) for s in (12, 0.5, 3)}
