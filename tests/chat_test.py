# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""`flamingo chat`: lines in, answers out."""

import io
import sys

import numpy as np
from PIL import Image
import pytest

import flamingo_jax as fj
from flamingo_jax import cli
from flamingo_jax.commands import chatting
from flamingo_jax.shipped import shipped_weights
from tests import command_examples


@pytest.fixture
def picture(tmp_path):
  pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
  Image.fromarray(pixels).save(tmp_path / 'a.png')
  return tmp_path / 'a.png'


@pytest.fixture
def chat(monkeypatch, capsys):
  """What is printed when these lines are typed."""
  def run(arguments, *lines):
    typed = ''.join(f'{line}\n' for line in lines)
    monkeypatch.setattr(sys, 'stdin', io.StringIO(typed))
    status = cli.main(['chat', *arguments])
    shown = capsys.readouterr()
    return status, shown.out, shown.err

  return run


def test_answers_are_those_of_the_whole_prompt(chat, picture):
  model, see = fj.load(), fj.image(picture)
  session = model.session()
  expected = [
      session.say([see, 'Output:'], max_new_tokens=8),
      session.say(['and?'], max_new_tokens=8),
  ]
  status, out, err = chat(
      ['--max_new_tokens=8'], f'/image {picture}', 'Output:', 'and?',
      '/undo', 'and?', '/explain', '/new', '/undo',
  )
  assert status == 0
  assert out.splitlines()[:3] == [*expected, expected[1]]
  assert out.count('image 1 (a.png)') > 3
  assert err == 'nothing has been said that could be taken back\n'


def test_the_example_begins_with_the_picture(chat, picture):
  model = fj.load()
  *arguments, shown = command_examples.arguments('chat', 0, {
      'runs/own': shipped_weights(), 'a.jpg': picture,
  })[1:]
  status, out, err = chat(
      [*arguments, shown, '--max_new_tokens=4', '--prompt=Hi', '--system=Ho.'],
      '/quit', 'unread',
  )
  dialogue = fj.Dialogue().parts(
      [('system', ['Ho.']), ('user', [fj.image(picture), 'Hi'])]
  )
  assert (status, err) == (0, '')
  assert out == model.generate(dialogue, max_new_tokens=4) + '\n'


def test_what_goes_wrong_is_one_sentence_and_not_the_end(chat):
  expected = {
      '/image nowhere.png': 'nowhere.png does not exist',
      '/image': 'name a file: /image FILE',
      f'/video {__file__}': 'chat_test.py',
      '/foo': '/foo is not a command: /help',
      '/explain': 'nothing has been said yet',
      'word ' * 200: 'the model reads 128 tokens',
  }
  status, out, err = chat([], *expected, '/help')
  assert status == 0 and '/undo' in out
  told = err.splitlines()
  assert len(told) == len(expected)
  for line, words in zip(told, expected.values()):
    assert words in line


def test_no_answer_reaches_the_terminal_s_controls():
  assert chatting._printable('a\x1b[2J\tb\n\u202ec') == 'a\\x1b[2J\tb\n\\u202ec'
