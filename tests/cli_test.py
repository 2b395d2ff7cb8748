# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The flamingo program: its arguments, its errors, and one whole run."""

import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys

import numpy as np
from PIL import Image
import pytest

from flamingo_jax import broken_pipe
from flamingo_jax import cli
from flamingo_jax.commands import preparing
from flamingo_jax.commands import prompting
from flamingo_jax.evaluation import baselines
from tests import command_examples
from tests import forked
from tests.evaluation import miniature
from tests.random_weights import SMALL
from tests.xla_flags import QUICK

ROOT = pathlib.Path(__file__).resolve().parents[1]


def write_documents(folder, captions):
  """A JSONL file of noise pictures, one per caption; returns its path."""
  rng = np.random.default_rng(0)
  lines = []
  for i, caption in enumerate(captions):
    pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).resize((64, 64)).save(folder / f'{i}.png')
    lines.append({'parts': [{'image': f'{i}.png'}, {'text': caption}]})
  path = folder / "it's data.jsonl"  # quotes and spaces have to survive
  path.write_text('\n'.join(map(json.dumps, lines)), encoding='utf-8')
  return path


def flamingo(*arguments):
  """Runs the program in a process of its own, on one device."""
  return forked.run(
      'flamingo_jax.cli', *arguments, variables={'XLA_FLAGS': QUICK}
  )


def error_line(capsys):
  """What the program said on stderr, which has to be one line."""
  output = capsys.readouterr()
  assert output.out == ''
  (line,) = output.err.splitlines()
  return line


def test_parts_keep_their_order_and_the_prompt_comes_last():
  options = cli.make_parser().parse_args([
      'generate', '--model_dir=x', '--prompt=Output:', '--image=a.jpg',
      '--text=Output: a cat.', '--video=b.mp4', '--image=c.jpg'])
  parts = prompting.prompt_parts(options)
  names = [p if isinstance(p, str) else (p.kind, os.path.basename(p.path))
           for p in parts]
  assert names == [('image', 'a.jpg'), 'Output: a cat.', ('video', 'b.mp4'),
                   ('image', 'c.jpg'), 'Output:']


def test_an_empty_prompt_is_no_part():
  options = cli.make_parser().parse_args(
      ['generate', '--model_dir=x', '--image=a.jpg', '--prompt='])
  assert len(prompting.prompt_parts(options)) == 1


@pytest.mark.parametrize('arguments, named', [
    (['generate', '--model_dir=x', '--imagee=a.jpg'], '--imagee=a.jpg'),
    (['generate', '--model_dir=x', '--gin.SEED=1'], '--gin.SEED=1'),
    (['train', '--gin_file=x.gin', '--stps=3'], '--stps=3'),
    (['train', '--gin_file=x.gin', '--steps=many'], 'many'),
    (['eval', '--gin_file=x.gin', '--steps=3'], '--steps=3'),
    (['train'], '--gin_file'),
    (['trian'], 'trian'),
])
def test_wrong_arguments_are_named(arguments, named, capsys):
  with pytest.raises(SystemExit) as stopped:
    cli.main(arguments)
  assert stopped.value.code == 2
  assert named in capsys.readouterr().err


@pytest.mark.parametrize('arguments, named', [
    (['generate', '--model_dir=/no/such', '--prompt=x'], '/no/such'),
    (['explain', '--image=no_such.jpg', '--vocabulary=no.model'], 'no.model'),
    (['explain'], '--image=FILE'),
    (['explain', '--jsonl=no.jsonl', '--line=1'], 'no.jsonl'),
])
def test_bad_input_is_one_line_and_status_2(arguments, named, capsys):
  assert cli.main(arguments) == 2
  line = error_line(capsys)
  assert line.startswith('error: ') and named in line


def test_a_package_that_is_not_installed_is_one_line(monkeypatch, capsys):
  def run(options, rest):
    """Lacks a package."""
    raise ModuleNotFoundError(name=missing)

  monkeypatch.setattr(preparing, 'run_prepare', run)
  missing = 'ada_url'
  assert cli.main(['prepare', 'jsonl', 'x']) == 2
  assert error_line(capsys) == (
      'error: flamingo prepare needs ada_url, which is not installed; run pip '
      "install -e '.[prepare]' -c constraints.txt"
  )
  missing = 'flamingo_jax.gone'  # an error of ours
  with pytest.raises(ModuleNotFoundError):
    cli.main(['prepare', 'jsonl', 'x'])


def test_explain_shows_the_document_of_the_line_and_reads_no_other(
    tmp_path, capsys
):
  path = write_documents(tmp_path, ['apple', 'zebra', 'cherry'])
  example = command_examples.arguments('explain', 1, {
      'a.jpg': tmp_path / '0.png'
  })
  assert cli.main(example) == 0
  assert '0.png' in capsys.readouterr().out
  (tmp_path / '0.png').unlink()
  lines = path.read_text(encoding='utf-8').splitlines()
  path.write_text('\n'.join([*lines[:2], '', '{']), encoding='utf-8')
  example = command_examples.arguments('explain', 0, {'pairs.jsonl': path})
  assert cli.main(example) == 0
  output = capsys.readouterr().out
  assert '1.png' in output and '<EOC>' in output
  for line, problem in ((1, '0.png does not exist'), (3, 'no document on line'),
                        (4, ':4: not JSON')):
    assert cli.main(['explain', f'--jsonl={path}', f'--line={line}']) == 2
    assert problem in error_line(capsys)


@pytest.mark.parametrize('arguments', [
    ('explain', '--text=Hello', '--prompt=x'),
    ('check', '{data}'),
    ('train', '--help'),
])
def test_output_that_nobody_reads_ends_the_program_quietly(
    tmp_path, arguments
):
  data = write_documents(tmp_path, ['one'])
  read, write = os.pipe()
  os.close(read)
  result = subprocess.run(
      [sys.executable, '-m', 'flamingo_jax.cli',
       *(a.format(data=data) for a in arguments)],
      cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, check=False,
      # argparse itself hides what an unbuffered stream tells.
      env=os.environ | {'PYTHONUNBUFFERED': ''})
  os.close(write)
  assert (result.returncode, result.stderr) == (128 + signal.SIGPIPE, '')


def test_another_broken_pipe_is_no_quiet_end():
  def broken():
    raise BrokenPipeError

  with pytest.raises(BrokenPipeError):
    broken_pipe.quietly(broken)


def test_check_fails_when_there_are_problems(tmp_path, capsys):
  path = write_documents(tmp_path, ['one', 'two'])
  preview = tmp_path / 'preview.html'
  assert cli.main(command_examples.arguments('check', 0, {
      'pairs.jsonl': path, 'preview.html': preview
  })) == 0
  assert 'one' in preview.read_text(encoding='utf-8')
  (tmp_path / '1.png').write_bytes(b'')
  assert cli.main(['check', str(path)]) == 1
  assert '1.png' in capsys.readouterr().out


def test_trains_on_own_data_resumes_and_answers(tmp_path, capsys):
  data = write_documents(tmp_path, ['a cat', 'a dog', 'a boat', 'a tree'])
  model_dir = tmp_path / 'run'
  train = [*command_examples.arguments('train', 0, {
               'pairs.jsonl': data, 'runs/own': model_dir
           }), '--cache_media', '--seed=3',
           '--gin.STATS_PERIOD=1', '--gin.BATCH_SIZE=4', '--gin.TOKENS=16',
           f'--gin.variant.overrides={SMALL}']
  # These overrides leave towers frozen that are random, which is told.
  warning = 'warning: vision_encoder and decoder: random.*\n'
  learned = '(step 3: .*training captions.*\n){2}'
  for steps, period, begins in ((2, 0, warning), (3, 250, learned)):
    result = flamingo(*train, f'--steps={steps}', f'--gin.EVAL_PERIOD={period}')
    assert result.returncode == 0, result.stderr
    # Nothing but the run's own lines; readme_test.py's imports TensorFlow anew.
    assert re.fullmatch(
        f'{begins}(step \\d/{steps} .*\n)+', result.stderr
    ), result.stderr
  # Nobody could tell these pictures apart yet.
  assert 'warning: so far the pictures do not matter' in result.stderr
  rows = [json.loads(line) for line in
          (model_dir / 'metrics.jsonl').read_text().splitlines()]
  assert [row['step'] for row in rows] == [1, 2, 3]
  assert {f'eval/own_data_{name}' for name in (
      'said/exact', 'given/blank_adds', 'given/shuffled_adds')} <= rows[2].keys()
  # Both runs saw all four pictures in each step, the encoder each of them once.
  stored = model_dir / 'media_cache/process_0/64x64/digests'
  assert stored.stat().st_size == 4 * (16 + 8)  # each with what it is checked by

  named = {'runs/own': model_dir, 'a.jpg': tmp_path / '0.png'}
  shots = named | {'b.jpg': tmp_path / '1.png'}
  for number, pictures in ((0, named), (1, shots)):
    assert cli.main([
        *command_examples.arguments('generate', number, pictures),
        '--max_new_tokens=4',
    ]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
  assert cli.main([*command_examples.arguments('score', 0, named),
                   '--candidate=a cat and a house']) == 0
  rows = [line.split('\t') for line in capsys.readouterr().out.splitlines()]
  scores = [float(score) for score, _ in rows]
  assert scores == sorted(scores, reverse=True) and max(scores) < 0
  assert {text for _, text in rows} == {'a cat', 'a dog', 'a cat and a house'}

  miniature.WRITERS['vqav2'](tmp_path / 'vqav2')
  result = flamingo(*command_examples.arguments(
      'eval', 3, {'runs/own': model_dir, 'DATA': tmp_path}
  ), '--gin.BATCH_SIZE=8', '--gin.NUM_EXAMPLES=8',
                    f'--out={tmp_path / "scores"}')
  assert result.returncode == 0, result.stderr
  head, *rows, last = result.stdout.splitlines()
  assert head.split() == 'task control metric 0 shots 4 shots'.split()
  assert {tuple(row.split()[:3]) for row in rows} == {
      ('vqav2', control, metric) for control in ('-', *baselines.NAMES)
      for metric in ('vqa_accuracy', 'vqa_accuracy_always_normalised')
  }
  results = tmp_path / 'scores' / 'results.json'
  assert last == f'all scores: {results}'
  scores = json.loads(results.read_text())['scores']
  assert set(scores) == {'vqav2_0shot', 'vqav2_4shot'}
  assert {path.name for path in (tmp_path / 'scores').iterdir()} == {
      'config.gin', 'inference_eval', 'results.json', 'shots.csv', 'shots.png'
  }

  result = flamingo(
      *command_examples.arguments('infer', 0, {'runs/shapes': model_dir}),
      '--gin_file=tests/t5x/three_scores.gin', f'--out={tmp_path / "answers"}',
      '--gin.MIXTURE_OR_TASK_NAME=questions',  # of 40, without shots
      "--gin.TASK_FEATURE_LENGTHS={'tokens': 64, 'media': 1, 'image_size': 64, "
      "'targets': 4}",
  )
  assert result.returncode == 0, result.stderr
  (name,) = result.stdout.splitlines()
  answers = pathlib.Path(name).read_text(encoding='utf-8').splitlines()
  assert len(answers) == 40 and 'prediction' in json.loads(answers[0])


def test_an_unknown_gin_name_is_told_in_one_line(tmp_path):
  result = flamingo('train', '--gin_file=configs/own_data.gin',
                    f'--model_dir={tmp_path / "run"}', '--steps=1',
                    f'--data={write_documents(tmp_path, ["a cat"])}',
                    '--gin.LERNING_RATE=1')
  assert result.returncode == 2
  assert 'LERNING_RATE' in result.stderr and 'Traceback' not in result.stderr
  assert not (tmp_path / 'run').exists()


def test_the_first_things_are_shown_where_nothing_is_asked(capsys):
  assert cli.main([]) == 0
  shown = capsys.readouterr().out
  assert '--help' in shown and shown.count('\n  flamingo ') == 5
  for line in shown.replace('\\\n', '').splitlines():
    if line.startswith('  flamingo '):  # all of them are understood
      cli.make_parser().parse_args(shlex.split(line)[1:])
  with pytest.raises(SystemExit) as ended:
    cli.main(['--version'])
  assert ended.value.code == 0
  assert capsys.readouterr().out == f'flamingo_jax {cli.flamingo_jax.__version__}\n'
