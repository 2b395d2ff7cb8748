# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Cards, and the protocol they describe: shots, what is missing, going on."""

import json
import os

from etils import epath
import numpy as np
import pytest

from flamingo_jax import cli, shipped
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import answering
from flamingo_jax.evaluation import cards
from flamingo_jax.evaluation import fewshot, report
from flamingo_jax.evaluation import paper_benchmarks, stored_cards
from flamingo_jax.evaluation.fewshot import Settings
from flamingo_jax.evaluation.prompts import as_text
from tests import command_examples
from tests.evaluation import miniature
from tests.evaluation.answerers import (
    Oracle,
    Silent,
    evaluate,
    examples,
    photograph,
    results,
)
from tests.evaluation.miniature import files, views

BEST = 93.75  # of VQAv2's miniature, where annotators disagree


def test_a_card_tells_all_that_decides_the_score(data, tmp_path):
  card, _ = evaluate(data, tmp_path, limit=4, seed=3)
  path = tmp_path / 'vqav2_validation_2shot_first4_seed3' / 'card.json'
  assert json.loads(path.read_text()) == card == stored_cards.read(path)
  assert card['settings'] == {
      'benchmark': 'vqav2', 'split': 'validation', 'shots': 2, 'seed': 3,
      'control': '', 'rices': False, 'order': 0, 'ensemble': 1, 'limit': 4,
      'beams': 3, 'fixed_shots': False, 'frames': None, 'fps': None,
      'prompts': 'paper',
  }
  assert card['queries'] == 4 and card['supports'] == 32
  assert card['scores']['vqa_accuracy'] == {
      'score': 100, 'low': 100, 'high': 100, 'version': 1,
      'notes': paper_benchmarks.find('vqav2').metrics[0].notes,
  }
  assert card['prompt']['example'].count('<image>') == 3
  assert len(card['data']['files']) == 4  # of queries and of supports
  assert card['environment']['packages']['jax']
  assert card['time']['seconds'] >= 0
  found = examples(tmp_path, card)
  assert [row['value'] for row in found] == [1, 1, 1, 1]
  for row in found:
    assert all(s.startswith('vqav2:train:') for s in row['shots'])
    assert len(set(row['shots'])) == 2 and row['output'] == row['answers'][0]


def test_batches_of_any_size_give_the_same_predictions(data, tmp_path):
  one, _ = evaluate(data, tmp_path / 'one', batch_size=1)
  two, _ = evaluate(data, tmp_path / 'two', batch_size=2)
  stored_cards.check_replay(one, two)
  assert examples(tmp_path / 'one', one) == examples(tmp_path / 'two', two)


def test_other_predictions_are_no_replay(data, tmp_path):
  one, _ = evaluate(data, tmp_path / 'one')
  other, _ = evaluate(data, tmp_path / 'two', model=Silent)
  with pytest.raises(UserError, match='model, data and packages are the same'):
    stored_cards.check_replay(one, other)
  other['model']['sha256'] = 'another'
  other['environment']['cores'] += 1
  other['decoding']['batch_size'] = 5
  with pytest.raises(UserError, match='environment and batch size differ from'):
    stored_cards.check_replay(one, other)


class Breaks(Oracle):
  """Is stopped at the second batch."""

  calls = 0

  def generate(self, asked, **options):
    self.calls += 1
    if self.calls > 1:
      raise KeyboardInterrupt
    return super().generate(asked, **options)


def test_a_stopped_evaluation_goes_on(data, tmp_path, monkeypatch):
  monkeypatch.setattr(answering, '_CHUNK', 4)

  whole, _ = evaluate(data, tmp_path / 'whole', batch_size=1)
  with pytest.raises(KeyboardInterrupt):
    evaluate(data, tmp_path, model=Breaks, batch_size=1)
  (draft,) = tmp_path.glob('*/answers.*.tmp')
  assert len(draft.read_text().splitlines()) == 4
  draft.write_text(draft.read_text() + '[5, "cut o')
  # Answers of another model are not those of this one.
  silent, _ = evaluate(data, tmp_path / 'silent', model=Silent)
  card, oracle = evaluate(data, tmp_path, batch_size=1)
  assert len(oracle.asked) == 32 - 4
  assert card['predictions'] == whole['predictions'] != silent['predictions']
  assert not list(tmp_path.glob('*/*.tmp'))


def test_a_picture_that_changed_is_asked_about_again(
    data, tmp_path, monkeypatch
):
  monkeypatch.setattr(answering, '_CHUNK', 4)

  with pytest.raises(KeyboardInterrupt):
    evaluate(data, tmp_path, model=Breaks, batch_size=1)
  picture = paper_benchmarks.find('vqav2').pool(data)[0].media[0].path
  os.utime(picture)
  _, oracle = evaluate(data, tmp_path, batch_size=1)
  assert len(oracle.asked) == 32


def shots_of(oracle):
  """Pictures and answers of each prompt's shots."""
  result = []
  for prompt in oracle.asked:
    texts = [p for p in prompt[:-2] if isinstance(p, str)]
    paths = [p.path for p in prompt[:-2] if hasattr(p, 'path')]
    assert all(text.endswith('Answer: ') for text in texts[::2])
    result.append((paths, texts[1::2]))
  return result


def test_controls_take_something_from_the_prompts(data, tmp_path):
  pool = paper_benchmarks.find('vqav2').pool(data)
  known = {(s.media[0].path, s.answers[0]) for s in pool}
  paired = shots_of(evaluate(data, tmp_path, shots=3)[1])
  for paths, answers in paired:
    assert set(zip(paths, answers)) <= known
  # Around a circle, in the one direction or in the other.
  moved = lambda three: (three[1:] + three[:1], three[2:] + three[:2])
  found = {
      kind: shots_of(evaluate(data, tmp_path, shots=3, control=kind)[1])
      for kind in ('shuffled_images', 'shuffled_labels')
  }
  for i, (paths, answers) in enumerate(paired):
    handed, same = found['shuffled_images'][i]
    assert handed in moved(paths) and same == answers
    same, handed = found['shuffled_labels'][i]
    assert handed in moved(answers) and same == paths
  found = shots_of(evaluate(data, tmp_path, shots=3, control='text_only')[1])
  assert found == [([], answers) for _, answers in paired]
  for wrong, sentence in (('no', 'must be one of no_pictures, text_only'),
                          ('shuffled_labels', 'for 2 or more shots')):
    with pytest.raises(UserError, match=sentence):
      evaluate(data, tmp_path, shots=1, control=wrong)


def test_rices_puts_the_most_similar_picture_last(data, tmp_path):
  card, oracle = evaluate(data, tmp_path, shots=2, rices=True)
  for prompt, (paths, _) in zip(oracle.asked, shots_of(oracle), strict=True):
    assert len(paths) == 2
    assert photograph(paths[-1]) == photograph(prompt[-2].path)
  assert 'most similar one last' in card['prompt']['shots']


def test_fixed_shots_are_those_of_all_queries(data, tmp_path):
  card, oracle = evaluate(data, tmp_path, shots=3, fixed_shots=True)
  (folder,) = tmp_path.iterdir()
  assert folder.name == 'vqav2_validation_3shot_fixed_seed0'
  assert len(set(map(str, shots_of(oracle)))) == 1
  assert card['scores']['vqa_accuracy']['score'] == BEST
  assert card['prompt']['shots'].startswith('the same for all queries: shot i')
  other, _ = evaluate(data, tmp_path, shots=3, fixed_shots=True, seed=1)
  shown = [examples(tmp_path, c)[0]['shots'] for c in (card, other)]
  assert shown[0] != shown[1]
  for more, sentence in (
      ({'rices': True}, 'leave --rices or --fixed_shots out'),
      ({'split': 'train'}, 'would be among the queries'),
  ):
    with pytest.raises(UserError, match=sentence):
      evaluate(data, tmp_path, fixed_shots=True, **more)


def test_log_likelihoods_are_averaged_over_orders(data, tmp_path):
  class Ordered(Oracle):
    def score(self, asked, candidates, **options):
      del options
      return np.array(
          [[float(len(as_text(p).split('<EOC>')[0]))] * 4 for p in asked]
      )

  one = evaluate(data, tmp_path, 'star', Ordered, shots=4)[0]
  benchmark = paper_benchmarks.find('star')
  settings = Settings('star', 'validation', 4, ensemble=6)
  found = fewshot.read_queries(benchmark, data, settings, False)
  outcome = answering.answer(
      benchmark, found, settings, Ordered(found.queries),
      draft=epath.Path(tmp_path / 'draft'), batch_size=8,
  )
  values = outcome.outputs[:, 0]
  assert any(value != round(value) for value in values)  # means of six
  assert one['settings']['ensemble'] == 1
  with pytest.raises(UserError, match='answers in words have no mean'):
    evaluate(data, tmp_path, ensemble=6)


def test_missing_pictures_are_listed_and_refused(tmp_path):
  miniature.WRITERS['vqav2'](tmp_path / 'vqav2')
  name = lambda part, view: (
      f'{part}/COCO_{part}_{files.image_id(view):012d}.jpg'
  )
  # The one is asked about twice, the other once.
  lost = [tmp_path / 'vqav2' / name('val2014', views.QUERIES[2]),
          tmp_path / 'vqav2' / name('train2014', views.SUPPORTS[0])]
  for path in lost:
    path.unlink()
  with pytest.raises(UserError) as raised:
    evaluate(tmp_path, tmp_path)
  assert str(raised.value).startswith(
      f'2 images or videos of vqav2 are missing ({lost[0]}, {lost[1]}): put '
  )
  card, oracle = evaluate(tmp_path, tmp_path, allow_missing=True)
  assert card['missing'] == list(map(str, lost))
  assert (card['queries'], card['supports']) == (30, 31)
  assert len(oracle.asked) == 30
  # Texts alone need no picture.
  views.write_picture(lost[0], views.QUERIES[2])
  card, _ = evaluate(tmp_path, tmp_path, shots=0)
  assert card['missing'] == []


def test_what_makes_no_sense_is_one_sentence(data, tmp_path):
  def error(sentence, **more):
    with pytest.raises(UserError, match=sentence):
      evaluate(data, tmp_path, **more)

  error('shots is -1', shots=-1)
  error('100 shots are asked for and there are 32', shots=100)
  error('100 shots are asked for and there are 32', shots=100, rices=True)
  error('limit is 0', limit=0)
  error('ensemble and beams', beams=0)
  error('CIDEr is not defined', name='vatex', limit=1)
  # What cannot be scored is said before the model is asked.
  assert not list(tmp_path.glob('vatex*'))


def test_without_a_model_dir_the_shipped_model_answers(data, tmp_path, capsys):
  before = tmp_path / 'vqav2.json'  # of an earlier command
  before.write_text(json.dumps([{'shots': 0}, {'shots': 1}]))
  assert cli.main([
      'eval', '--benchmark=vqav2', f'--data={data}', '--shots=1', '--limit=1',
      f'--out={tmp_path}',
  ]) == 0
  (path,) = tmp_path.glob('vqav2_*/card.json')
  assert stored_cards.read(path)['model']['model_dir'] == shipped.shipped_weights()
  assert (
      'vqav2.json now leaves out 0 shots of an earlier command: flamingo report '
      f'{tmp_path} shows all its cards\n'
  ) in capsys.readouterr().out


def test_the_command_scores_a_model_and_replays_it(
    run_dir, predictor, data, tmp_path, capsys
):
  example = command_examples.arguments(
      'eval', 1, {'DATA': data, 'runs/own': run_dir}
  )
  assert cli.main([
      *example, '--limit=2', f'--out={tmp_path}', '--shots=1', '--fixed_shots'
  ]) == 0
  *_, last = capsys.readouterr().out.splitlines()
  assert last == f'all scores: {tmp_path / "vqav2.json"}'
  rows = json.loads((tmp_path / 'vqav2.json').read_text())
  assert [(row['shots'], row['metric']) for row in rows] == [
      (1, 'vqa_accuracy'), (1, 'vqa_accuracy_always_normalised')
  ]
  folder = tmp_path / 'vqav2_validation_1shot_fixed_first2_seed0'
  card = stored_cards.read(folder / 'card.json')
  assert card['model']['sha256'] == predictor.sha256
  assert card['decoding']['batch_size'] == 8
  replay = command_examples.arguments(
      'eval', 2, {'runs/own/eval/SETTINGS': folder}
  )
  for number, more in enumerate(([], ['--batch_size=1'])):
    out = tmp_path / f'replay{number}'
    assert cli.main([*replay, *more, f'--out={out}']) == 0
    assert capsys.readouterr().out.endswith('are the same, byte for byte\n')
    other = out / folder.name / 'predictions.json'
    assert other.read_bytes() == (folder / 'predictions.json').read_bytes()
  # The command has used the eight devices, and here is one.
  alone = evaluate(data, tmp_path / 'alone', answerer=predictor, shots=1,
                   limit=2, fixed_shots=True)[0]
  assert card['environment']['devices'] == 8
  stored_cards.check_replay(card, alone)


def test_neither_shots_read_once_nor_batches_change_a_bit_of_scores(
    predictor, tmp_path, monkeypatch
):
  miniature.WRITERS['hateful_memes'](tmp_path / 'data' / 'hateful_memes')
  monkeypatch.setattr(answering, '_CHUNK', 2)  # three calls for six queries
  predictor.forget()
  score, read, reads = predictor.score, predictor._inference._read_prefix, []
  monkeypatch.setattr(
      predictor._inference, '_read_prefix',
      lambda *args: reads.append(0) or read(*args),
  )
  run = lambda name, batch_size=1: evaluate(
      tmp_path / 'data', tmp_path / name, 'hateful_memes', answerer=predictor,
      shots=1, limit=6, fixed_shots=True, batch_size=batch_size,
  )[0]
  once = run('once')
  assert len(reads) == 1
  monkeypatch.setattr(
      predictor, 'score',
      lambda *args, **options: predictor.forget() or score(*args, **options),
  )
  anew = run('anew')
  assert len(reads) == 1 + 3
  files = [
      next((tmp_path / name).glob('*/predictions.*')).read_bytes()
      for name in ('once', 'anew')
  ]
  assert files[0] == files[1]
  stored_cards.check_replay(once, anew)
  stored_cards.check_replay(once, run('many', batch_size=4))


@pytest.mark.parametrize('arguments, named', [
    ([], 'eval needs one of --benchmark, --list, --replay and --gin_file'),
    (['--benchmark=x', '--list'], 'not --benchmark and --list'),
    (['--benchmark=vqav2'], '--benchmark needs --data=DIR'),
    (['--benchmark=vqav3'], 'did you mean vqav2?'),
    (['--list', '--gin.SEED=1'], '--gin.SEED=1 is for --gin_file'),
    (['--replay=no.json'], 'no.json cannot be read'),
])
def test_wrong_flags_are_one_sentence(arguments, named, capsys):
  assert cli.main(['eval', *arguments]) == 2
  assert named in capsys.readouterr().err


def test_the_list_has_every_benchmark_and_its_files(capsys):
  assert cli.main(command_examples.arguments('eval', 0)) == 0
  output = capsys.readouterr().out
  for name, row in paper_benchmarks.BENCHMARKS.items():
    assert f'DATA/{name}/ from {row.origin}' in output
    assert all(f in output for files in row.splits.values() for f in files)


def test_a_page_shows_examples_and_a_panel_the_scores(data, tmp_path):
  zero, _ = evaluate(data, tmp_path, shots=0)
  two, _ = evaluate(data, tmp_path)
  page = (results(tmp_path, two) / 'examples.html').read_text()
  assert page.count('<article') == 20
  assert page.count('<img') == 20 * 3  # two shots and the query
  assert page.count('<b>title</b>\n<br>expected: title · a picture') == 1
  curves = report.panel(report.summarise([zero, two])).curves
  for shots, card in ((0, zero), (2, two)):
    for name, score in card['scores'].items():
      assert curves[name][shots][0] == score['score']
