# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo chat: a conversation in a terminal."""

import argparse
from collections.abc import Sequence
import sys
from typing import Any

from flamingo_jax import errors
from flamingo_jax.commands import add_command
from flamingo_jax.commands.prompting import (
    add_draws,
    add_model,
    add_parts,
    draws,
    load_model,
    parts_of,
)

_CHAT = 'flamingo chat --model_dir=runs/own --image=a.jpg'
_HELP = """/image FILE   show a picture with what you say next
/video FILE   show a video
/features FILE.npy   show an array, to a model of features
/undo         take back what you said last, with its answer
/explain      show which picture each token sees
/new          start over
/quit         end, like Ctrl-D; Ctrl-C stops an answer"""


def add_chat(commands: Any) -> None:
  """The flags of `flamingo chat`."""
  parser = add_command(commands, 'chat', run_chat, 'talk to a model', _CHAT)
  add_model(parser)
  add_parts(parser)
  parser.add_argument('--plain', action='store_true',
                      help='leave out who is speaking: what you say and the '
                      'answers simply follow one another; always so for the '
                      'shipped model, which knows no dialogues')
  parser.add_argument('--system', metavar='TEXT',
                      help="an instruction before the first turn, instead of "
                      "the one that the paper's dialogues begin with")
  add_draws(parser)


def run_chat(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Talks with a model line by line; /help lists further commands.

  The model remembers the conversation and reads only what is new. Pictures and
  texts on the command line go with your first line, or are sent at once if
  --prompt is given.
  """
  model = load_model(options)
  is_plain = options.plain or options.model_dir is None
  if is_plain and options.system is not None:
    raise errors.UserError(
        '--system is part of a dialogue: leave --plain out, and name a model '
        'with --model_dir=DIR'
    )
  turns = [] if options.system is None else [('system', [options.system])]
  begin = lambda: model.session(
      dialogue=None if is_plain else model.dialogue, turns=turns
  )
  chat = _Chat(begin, draws(options))
  chat.waiting = parts_of(options)
  if options.prompt:
    chat.answer(options.prompt)
  is_terminal = sys.stdin.isatty()
  if is_terminal:
    import readline  # pylint: disable=unused-import  # edits and repeats lines

    print(_HELP)
  while True:
    try:
      line = input('> ' if is_terminal else '')
    except EOFError:
      return
    try:
      if not chat.take(line):
        return
    except errors.UserError as error:
      print(error, file=sys.stderr)


class _Chat:
  """A session, and what waits to be said in it."""

  def __init__(self, begin: Any, options: dict[str, Any]):
    """`begin` makes a session; `options` are those of its answers."""
    self.waiting: list[Any] = []
    self._begin = begin
    self._options = options
    self._session = begin()

  def take(self, line: str) -> bool:
    """Does what a line asks for; False: it asks to end."""
    word, _, rest = line.strip().partition(' ')
    if word in ('/image', '/video', '/features'):
      self.show(word[1:], rest.strip())
    elif word == '/undo':
      if not self._session.undo():
        raise errors.UserError('nothing has been said that could be taken back')
    elif word == '/explain':
      print(_printable(self._session.explain()))
    elif word == '/new':
      self._session, self.waiting = self._begin(), []
    elif word == '/quit':
      return False
    elif word == '/help':
      print(_HELP)
    elif word.startswith('/'):
      raise errors.UserError(f'{word} is not a command: /help lists them')
    elif line.strip() or self.waiting:
      self.answer(line.strip())
    return True

  def show(self, kind: str, path: str) -> None:
    """A medium that waits for the next line."""
    from flamingo_jax.data import documents

    if not path:
      raise errors.UserError(f'name a file: /{kind} FILE')
    medium = getattr(documents, kind)(path)
    problem = documents.media_problem(medium, decode=True, to_end=False)
    if problem:
      raise errors.UserError(problem)
    self.waiting.append(medium)

  def answer(self, text: str) -> None:
    """Says what waits and a text, and prints the answer as it comes."""
    parts = [*self.waiting, text] if text else self.waiting
    pieces = self._session.stream(parts, **self._options)
    self.waiting = []
    is_first = True
    try:
      for piece in pieces:
        shown = piece.lstrip() if is_first else piece
        is_first = is_first and not shown
        print(_printable(shown), end='', flush=True)
    except KeyboardInterrupt:
      pieces.close()  # what came so far has been said
    print()


def _printable(text: str) -> str:
  """The text without what would move a terminal's cursor or change colours."""
  return ''.join(
      c if c.isprintable() or c in '\n\t' else repr(c)[1:-1] for c in text
  )
