# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The reference as Markdown, from what the code says of itself.

Commands from their parsers, configurations from gin files and their comments,
the API from docstrings, which mkdocstrings reads.
"""

import argparse
from collections.abc import Iterator, Sequence
import dataclasses
import functools
import io
import pathlib
import re
import textwrap
import tokenize
from typing import Any

import flamingo_jax
from flamingo_jax import cli

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Pages of the API, with the names that stand in front of the modules.
API = {
    'python': (
        'From Python', [
            f'{module}.{name}'
            for name, module in flamingo_jax._EXPORTS.items()  # pylint: disable=protected-access
        ],
    ),
    'models': (
        'Models', [
            f'flamingo_jax.models.{name}'
            for name in (
                'variants', 'public', 'flamingo', 'resampler',
                'cross_attention', 'decoder_config', 'decoder', 'layer_config',
                'language_model', 'vision', 'nfnet', 'vit', 'array_encoder',
                'contrastive', 'cache',
            )
        ] + ['flamingo_jax.sharding'],
    ),
    'data': (
        'Data', [
            f'flamingo_jax.{name}'
            for name in (
                'data.documents', 'data.media', 'data.vocabulary',
                'data.interleaved', 'data.features', 'tasks.prepared',
                'tasks.own_data', 'tasks.own_text',
            )
        ],
    ),
    'training': (
        'Training', [
            f'flamingo_jax.training.{name}'
            for name in (
                'trainable', 'losses', 'accumulate', 'optimizer', 'train_step',
                'partitioner',
            )
        ],
    ),
    'evaluation': (
        'Evaluation', [
            f'flamingo_jax.evaluation.{name}'
            for name in (
                'tasks', 'prompts', 'shot_rules', 'benchmark', 'fewshot', 'cards',
                'metrics',
            )
        ],
    ),
}
_MACRO = re.compile(r'^([A-Z_]+) = ', re.M)
_INCLUDE = re.compile(r"^include '(.+)'", re.M)


def pages() -> dict[str, str]:
  """{name of a file: Markdown}."""
  return {
      'reference/commands.md': commands(cli.make_parser()),
      'reference/configurations.md': configurations(),
      **{f'reference/{name}.md': api(*page) for name, page in API.items()},
  }


def api(title: str, names: Sequence[str]) -> str:
  """A page for mkdocstrings."""
  return '\n\n'.join([f'# {title}', *(f'::: {name}' for name in names)]) + '\n'


def commands(parser: argparse.ArgumentParser) -> str:
  """What each subcommand says of itself and all of its flags."""
  sections = [
      '# Commands',
      'What `flamingo COMMAND --help` prints. Programs that take gin files '
      '(`train`, `grid`, `eval`, `infer`, `plan`, `ablate`, `check`) also take '
      '`--gin.NAME=value` for each name of '
      '[the configurations](configurations.md).',
  ]
  for command in _leaves(parser):
    sections += [
        f'## {command.prog}', _description(command), _examples(command),
        _flags(command),
    ]
  return '\n\n'.join(filter(None, sections)) + '\n'


def _leaves(
    parser: argparse.ArgumentParser,
) -> Iterator[argparse.ArgumentParser]:
  """The subcommands, and theirs."""
  for action in parser._actions:  # pylint: disable=protected-access
    if isinstance(action, argparse._SubParsersAction):  # pylint: disable=protected-access
      for inner in action.choices.values():
        yield inner
        yield from _leaves(inner)


def _description(parser: argparse.ArgumentParser) -> str:
  """A docstring: a line, then paragraphs and, indented further, lists."""
  first, _, rest = (parser.description or '').partition('\n')
  paragraphs = [first]
  for paragraph in re.split(r'\n\s*\n', rest.strip('\n')):
    if paragraph.startswith('  '):
      paragraphs.append(f'```\n{textwrap.dedent(paragraph)}\n```')
    else:
      paragraphs.append(_text(textwrap.dedent(paragraph)))
  return '\n\n'.join(filter(None, paragraphs))


def _examples(parser: argparse.ArgumentParser) -> str:
  """The commands that stand below a heading at the end of what help prints."""
  lines = re.findall('^  (.+)$', parser.epilog or '', re.M)
  return '\n'.join(['```sh', *lines, '```']) if lines else ''


def _flags(parser: argparse.ArgumentParser) -> str:
  """The table of a parser's flags."""
  rows = []
  formatter = argparse.HelpFormatter(parser.prog)
  for action in parser._actions:  # pylint: disable=protected-access
    if isinstance(action, (argparse._HelpAction, argparse._SubParsersAction)):  # pylint: disable=protected-access
      continue
    value = formatter._format_args(action, action.dest.upper())  # pylint: disable=protected-access
    name = ', '.join(action.option_strings)
    how = f'{name} {value}'.strip()
    told = (action.help or '') % (vars(action) | {'prog': parser.prog})
    told, _, default = told.partition(' (default: ')
    default, _, rest = default.partition(')')
    told += rest
    if action.required and action.option_strings:
      default = 'required'
    elif not default and action.default not in (None, False, '', []):
      default = f'`{action.default}`'
    rows.append((f'`{how}`', _text(told), _text(default)))
  return _table(('flag', 'what it does', 'default'), rows) if rows else ''


@dataclasses.dataclass(frozen=True)
class Macro:
  """NAME = value of a gin file."""

  name: str
  value: str
  comment: str  # behind it
  reason: str  # the lines above it, which may be about this value alone
  file: str  # that sets it


def configurations() -> str:
  """Every gin file with a command, and the names that its runs can set."""
  sections = [
      '# Configurations',
      'A file begins with its command. `--gin.NAME=value` sets a name of its '
      'table to another value, under either driver.',
      '## All names',
      _table(('name', 'what it is'), [
          (f'`{name}`', _text(meaning(name))) for name in sorted(all_macros())
      ]),
  ]
  for path in sorted((ROOT / 'configs').glob('*.gin')):
    found = chain(path.relative_to(ROOT).as_posix())
    rows = [
        (f'`{name}`', f'`{macros[0].value}`', _text(meaning(name, macros)))
        for name, macros in sorted(found.items())
    ]
    sections += [
        f'## {path.name}', _header(path), _table(('name', 'value', ''), rows)
    ]
  return '\n\n'.join(sections) + '\n'


@functools.cache
def all_macros() -> dict[str, list[Macro]]:
  """{name: each place that sets it}, what others include first."""
  folders = ('runs', 'models', 'mixtures', '')
  found: dict[str, list[Macro]] = {}
  for folder in folders:
    # The most general of a folder before the others.
    for path in sorted(
        (ROOT / 'configs' / folder).glob('*.gin'),
        key=lambda path: (path.stem not in ('pretrain', 'own_data'), path),
    ):
      for macro in own_macros(path.relative_to(ROOT).as_posix()):
        found.setdefault(macro.name, []).append(macro)
  return found


def meaning(name: str, macros: Sequence[Macro] = ()) -> str:
  """What a name is, as one of these or else any place that sets it tells."""
  everywhere = all_macros()[name]
  told = [
      *(macro.comment for macro in (*macros, *everywhere)),
      *(macro.reason for macro in (*macros, *everywhere)),
  ]
  return next(filter(None, told), '')


def chain(file: str) -> dict[str, list[Macro]]:
  """{name: what sets it} of a file and its includes, what counts first."""
  text = (ROOT / file).read_text(encoding='utf-8')
  found: dict[str, list[Macro]] = {}
  for included in _INCLUDE.findall(text):
    for name, macros in chain(included).items():
      found[name] = macros + found.get(name, [])
  for macro in own_macros(file):
    found[macro.name] = [macro, *found.get(macro.name, [])]
  return found


@functools.cache
def own_macros(file: str) -> tuple[Macro, ...]:
  """The macros that a file sets itself, in order."""
  text = (ROOT / file).read_text(encoding='utf-8')
  found = []
  for match in _MACRO.finditer(text):
    value, comment = _statement(text[match.end():])
    above = re.search(r'(?:^#.*\n)+\Z', text[:match.start()], re.M)
    # That at the top of the file is about all of it.
    lines = above[0].splitlines() if above and above.start() else ()
    reason = ' '.join(line.removeprefix('#').strip() for line in lines)
    found.append(Macro(match[1], value, comment, reason, file))
  return tuple(found)


def _statement(text: str) -> tuple[str, str]:
  """(value, comment) of what stands behind the equals sign."""
  value, comments, end = '', [], (1, 0)
  for token in tokenize.generate_tokens(io.StringIO(text).readline):
    if token.type == tokenize.COMMENT:
      comments.append(token.string.removeprefix('#').strip())
    elif token.type == tokenize.NEWLINE:
      break
    elif token.type != tokenize.NL:
      is_apart = token.start != end and value[-1:] not in '([{'
      value += ' ' * (is_apart and bool(value)) + token.string
    end = token.end
  return value, ' '.join(comments)


def _header(path: pathlib.Path) -> str:
  """The comment that a gin file begins with; its commands as code."""
  lines = []
  for line in path.read_text(encoding='utf-8').splitlines():
    if not line.startswith('#'):
      break
    lines.append(line.removeprefix('#').removeprefix(' '))
  text, code = [], []
  for line in lines:
    is_code = not text and line.startswith(('flamingo ', 'python ', '  '))
    (code if is_code else text).append(line)
  return f'```sh\n{chr(10).join(code)}\n```\n\n{_text(chr(10).join(text))}'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  line = lambda cells: f'| {" | ".join(cells)} |'
  return '\n'.join([
      line(head), line(['---'] * len(head)),
      *(line(cell.replace('|', r'\|') for cell in row) for row in rows),
  ])


def _text(text: Any) -> str:
  """Text as it was written, with flags and names of macros as code."""
  text = str(text).replace('<', '&lt;').replace('*', r'\*')
  return re.sub(
      r"(?<![\w`/])(--[\w.]+(?:=[\w./:'-]+)?|[\w/]+\.(?:gin|md|py|jsonl|json)\b)"
      r'(?!`)', r'`\1`', text,
  )
