# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Every command shows an example, and a test runs it."""

import ast
import pathlib
import re

from tests.command_examples import all_examples

TESTS = pathlib.Path(__file__).parent


def patterns(node):
  """(command, number) of a call of `arguments`, where f-strings are any text."""
  command, *number = node.args
  if isinstance(command, ast.JoinedStr):
    parts = [re.escape(p.value) if isinstance(p, ast.Constant) else '.+'
             for p in command.values]
    command = ''.join(parts)
  else:
    command = re.escape(command.value)
  if not number:
    return command, '0'
  constant = isinstance(number[0], ast.Constant)
  return command, str(number[0].value) if constant else r'\d+'


def test_every_example_is_run_by_a_test():
  asked = [
      patterns(node)
      for path in TESTS.rglob('*_test.py')
      if 'command_examples' in (text := path.read_text(encoding='utf-8'))
      for node in ast.walk(ast.parse(text))
      if isinstance(node, ast.Call)
      and ast.unparse(node.func) == 'command_examples.arguments'
  ]
  missing = [
      f'{command}: {example}'
      for command, examples in all_examples().items()
      for number, example in enumerate(examples or ['no example'])
      if not any(
          re.fullmatch(name, command) and re.fullmatch(which, str(number))
          for name, which in asked
      )
  ]
  assert not missing, 'examples that no test runs:\n' + '\n'.join(missing)
