# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The Jinja template by which a public language model writes dialogues.

It comes with the model, from whoever made it: it is rendered in a sandbox, where
it can read what it is given and nothing else.
"""

from collections.abc import Mapping, Sequence
import datetime
import json
import re
from typing import Any

import jinja2
from jinja2 import sandbox

from flamingo_jax.errors import UserError, shown

# Marks what training learns from; what is between the two is text.
_GENERATION = re.compile(r'\{%(-?)\s*(end)?generation\s*(-?)%\}')


class ChatTemplate:
  """As `Dialogue`, of a language model alone.

  Attributes:
    stops: none: an answer ends with the entry that ends a text.
  """

  stops: tuple[str, ...] = ()

  def __init__(
      self, template: str, names: Mapping[str, str], special: Sequence[str],
      first: str, path: str,
  ):
    """Reads a template.

    Args:
      template: in Jinja's language, as transformers renders it.
      names: the texts that it calls bos_token, eos_token and pad_token.
      special: texts that stand for entries, which nobody may say.
      first: the text of what the tokenizer puts in front by itself, if anything.
      path: of the file that it stands in, for messages.

    Raises:
      UserError: it is no template.
    """
    environment = sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True,
        extensions=['jinja2.ext.loopcontrols'],
    )
    environment.filters['tojson'] = _to_json
    environment.globals |= {
        'raise_exception': self._refuse, 'strftime_now': _now
    }
    self._names, self._special, self._path = names, special, path
    self._first = first
    block = lambda m: f'{{%{m[1]} {"endif" if m[2] else "if true"} {m[3]}%}}'
    try:
      self._template = environment.from_string(_GENERATION.sub(block, template))
    except jinja2.TemplateError as error:
      raise self._wrong(error) from None

  def parts(self, messages: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
    """One text, open for the model if the user speaks last.

    Raises:
      UserError: a message is no text, or holds what stands for an entry, or is
        one that the template refuses.
    """
    told = [
        {'role': role, 'content': self._text(role, parts)}
        for role, parts in messages
    ]
    is_open = not told or told[-1]['role'] != 'assistant'
    try:
      text = self._template.render(
          messages=told, add_generation_prompt=is_open, **self._names
      )
    except (jinja2.TemplateError, TypeError, ValueError, KeyError,
            ArithmeticError, MemoryError) as error:
      raise self._wrong(error) from None
    return [text.removeprefix(self._first)]

  def _text(self, role: str, parts: Sequence[Any]) -> str:
    for part in parts:
      if not isinstance(part, str):
        raise UserError(
            f'what {role!r} says is text, and not {shown(part)}: a language '
            'model alone sees no images or videos'
        )
    text = ''.join(parts)
    for entry in self._special:
      if entry in text:
        raise UserError(
            f'{shown(text)} holds {entry!r}, by which the model is told who '
            'speaks; nobody may say it'
        )
    return text

  def _wrong(self, error: Exception) -> UserError:
    return UserError(
        f'{self._path}: its chat template cannot be rendered '
        f'({str(error) or type(error).__name__}); ask without a dialogue'
    )

  @staticmethod
  def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)


def _to_json(value: Any, indent: int | None = None) -> str:
  """As transformers does it: Jinja's own escapes what HTML needs."""
  return json.dumps(value, ensure_ascii=False, indent=indent)


def _now(pattern: str) -> str:
  return datetime.datetime.now().strftime(pattern)
