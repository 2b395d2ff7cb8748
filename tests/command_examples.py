# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The examples that the help of each command shows, for tests to run."""

import argparse
import functools
import operator
import shlex

from flamingo_jax import cli


def all_examples(parser=None, name=''):
  """{'prepare jsonl': examples of its help} of every command that does a thing."""
  parser = parser or cli.make_parser()
  groups = [
      action.choices for action in parser._actions
      if isinstance(action, argparse._SubParsersAction)
  ]
  if not groups:
    return {name: parser.examples}
  (choices,) = groups
  return functools.reduce(operator.or_, (
      all_examples(below, f'{name} {word}'.strip())
      for word, below in choices.items()
  ))


def arguments(command, number=0, /, replaced=()):
  """What is behind `flamingo` in an example, with a test's own names in it.

  Args:
    command: such as 'prepare jsonl'.
    number: which of its examples.
    replaced: (what the example names, what it is called here), all of which
      have to occur.
  """
  example = all_examples()[command][number].replace('\\\n', ' ')
  program, *words = shlex.split(example)
  assert program == 'flamingo'
  for name, here in dict(replaced).items():
    assert any(name in word for word in words), f'{name} is not in {example}'
    words = [word.replace(name, str(here)) for word in words]
  return words
