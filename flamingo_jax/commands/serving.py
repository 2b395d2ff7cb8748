# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo serve: a model behind OpenAI's HTTP interface."""

import argparse
from collections.abc import Sequence
import pathlib
from typing import Any

from flamingo_jax import errors
from flamingo_jax.commands import add_command, prompting

_LOOPBACK = '127.0.0.1'
_LATENTS = 4096  # pictures whose latents are kept


def add_serve(commands: Any) -> None:
  """The flags of `flamingo serve`."""
  parser = add_command(
      commands, 'serve', run_serve,
      "serve a model over OpenAI's HTTP API",
      'flamingo serve --port=8000',
  )
  prompting.add_model(parser)
  parser.add_argument('--host', default=_LOOPBACK, metavar='ADDRESS',
                      help='the address to listen on (default: 127.0.0.1, this '
                      'machine only; 0.0.0.0 for any)')
  parser.add_argument('--port', type=_whole(0, 65535), default=8000, metavar='N',
                      help='the port to listen on (default: 8000; 0 picks a '
                      'free one)')
  parser.add_argument('--name', metavar='NAME',
                      help="the model's name in requests (default: its "
                      "folder's)")
  parser.add_argument('--plain', action='store_true',
                      help='in a chat, leave out who is speaking: messages '
                      'simply follow one another; always so for the shipped '
                      'model, which knows no dialogues')
  parser.add_argument('--token_file', metavar='FILE',
                      help='a file with the API key that requests must send')
  parser.add_argument('--fetch', default='', metavar='HOST,...',
                      help='hosts from which pictures may be fetched (default: '
                      'none)')
  for name, default, meaning in (
      ('slots', 16, 'answers written at the same time'),
      ('queue', 64, 'requests that may wait; further ones are refused'),
      ('seconds', 120, 'time limit of a request, in seconds'),
      ('max_new_tokens', 1024, 'longest answer in tokens, whatever the request '
       'says'),
      ('pictures', 128, 'how many pictures a request may have'),
      ('megapixels', 50, 'largest picture, in megapixels'),
      ('megabytes', 32, 'largest request, in megabytes'),
      ('kept_megabytes', 1024, 'memory for prompts already read, reused when '
       'another begins alike'),
  ):
    parser.add_argument(
        f'--{name}', type=_whole(1), default=default, metavar='N',
        help=f'{meaning} (default: {default})',
    )


def run_serve(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Serves a model until you stop it (Ctrl-C or SIGTERM).

  POST /v1/chat/completions and /v1/completions work as OpenAI's do, so its
  clients can use the model. A page to try it in a browser is at /.
  """
  token = read_token(options.token_file) if options.token_file else ''
  from flamingo_jax.serving import server
  from flamingo_jax.serving.limits import Limits

  folder = pathlib.Path(options.model_dir or 'flamingo_tiny')
  server.run(
      lambda: prompting.load_model(options, keep_latents=_LATENTS),
      host=options.host, port=options.port, token=token, rows=options.slots,
      name=options.name or folder.resolve().name,
      is_plain=options.plain or options.model_dir is None,
      hosts=frozenset(filter(None, options.fetch.lower().split(','))),
      limits=Limits(
          body_bytes=options.megabytes * 2**20, pictures=options.pictures,
          pixels=options.megapixels * 10**6, new_tokens=options.max_new_tokens,
          queue=options.queue, seconds=float(options.seconds),
          kept_bytes=options.kept_megabytes * 2**20,
      ),
  )


def read_token(path: str) -> str:
  """The token in a file.

  Raises:
    UserError: there is none.
  """
  from flamingo_jax import opening

  try:
    with opening.open_file(path) as file:
      token = file.read(10_000).decode().strip()
  except (OSError, ValueError) as error:
    raise errors.UserError(
        f'token file {path} cannot be read ({getattr(error, "strerror", error)}'
        '); name a file with one line'
    ) from None
  if not token or not token.isascii() or not token.isprintable() or ' ' in token:
    raise errors.UserError(
        f'token file {path} holds no token: write one line of letters and '
        'digits into it'
    )
  return token


def _whole(least: int, most: int | None = None) -> Any:
  """A whole number, for argparse."""
  def parse(text: str) -> int:
    from flamingo_jax import option_values

    try:
      value = int(text) if len(text) < 20 else text
      return option_values.whole_number('it', value, least, most)
    except ValueError:  # a UserError, too
      bounds = f'from {least}' + ('' if most is None else f' to {most}')
      raise argparse.ArgumentTypeError(
          f'{errors.shown(text)} is not a whole number {bounds}'
      ) from None

  return parse
