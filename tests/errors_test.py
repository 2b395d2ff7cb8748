# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Messages are one line of bounded length, whatever the input was."""

import pickle

import pytest

from flamingo_jax.errors import Parser, UserError, chain, shown, tell
from flamingo_jax.prepare import spool

NESTED = []
for _ in range(100_000):
  NESTED = [NESTED]
VALUES = ['x' * 5_000_000, '\0' * 5_000_000, NESTED, [9] * 10**6,
          {'key' * 10**6: b'y' * 10**6}, 10**5000]


def test_a_message_keeps_its_beginning_and_its_end():
  message = str(UserError(f'a.jsonl:7: {"x" * 5_000_000}; write it anew'))
  assert len(message) == 1000
  assert message.startswith('a.jsonl:7: xxx')
  assert message.endswith('xxx; write it anew')
  assert str(UserError('It is so; mend it')) == 'It is so; mend it'


@pytest.mark.parametrize('text, told', [
    ('a\nb', r'a\nb'), ('\x1b[31mred', r'\x1b[31mred'),
    ('\u202eabc', r'\u202eabc'),
    ('half \udce9', r'half \udce9'), ('a\u2028b', r'a\u2028b'),
    ('caf\u00e9 \u732b \u3000', 'caf\u00e9 \u732b \u3000'),
])
def test_a_message_is_one_line_that_can_be_written(text, told):
  error = UserError(text)
  assert str(error) == told and str(error).encode()
  assert str(pickle.loads(pickle.dumps(error))) == told


@pytest.mark.parametrize('value', VALUES, ids=range(len(VALUES)))
def test_a_value_is_shown_in_short(value):
  assert 0 < len(shown(value)) <= 60
  assert shown(['a', 1]) == "['a', 1]" and shown('b\n') == r"'b\n'"


def test_what_a_manifest_says_first_of_a_reason_is_short():
  tally = spool.Tally()
  tally.add('page is too long', f'a.warc: {"x" * 5_000_000}\nend')
  tally.add('page is too long', 'another', 2)
  entry = tally['page is too long']
  assert entry['count'] == 3 and len(entry['first']) == 400
  assert entry['first'].startswith('a.warc: x')
  assert entry['first'].endswith(r'\nend')


def test_wrong_arguments_are_told_in_short(capsys):
  parser = Parser(prog='p')
  parser.add_argument('--n', type=int)
  with pytest.raises(SystemExit, match='2'):
    parser.parse_args(['--n', '9' * 200_000 + '\x1b'])
  usage, *told = capsys.readouterr().err.splitlines()
  assert usage == 'usage: p [-h] [--n N]'
  assert len(told) == 1 and len(told[0]) < 1100 and '\x1b' not in told[0]


def test_what_ends_a_program_is_told_in_short(capsys):
  assert tell(f'{"x" * 200_000}\n cannot be written') == 2
  (told,) = capsys.readouterr().err.splitlines()
  assert len(told) < 1100 and told.endswith(' cannot be written')


def test_a_chain_of_errors_ends_where_it_began():
  try:
    try:
      raise KeyError('raised again')
    except KeyError as error:
      first = error
      raise ValueError('from it') from error
  except ValueError as error:
    second = error
  assert list(chain(second)) == [second, first]
  first.__cause__ = second
  assert list(chain(second)) == [second, first]
  assert list(chain(None)) == []
