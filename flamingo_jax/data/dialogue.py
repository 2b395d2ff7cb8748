# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a user and a model say to each other, as one prompt (Flamingo B.1.6)."""

from collections.abc import Sequence
import dataclasses
from typing import Any

from flamingo_jax.data.chat_template import ChatTemplate
from flamingo_jax.data.documents import END_OF_CHUNK
from flamingo_jax.data.media import Media
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError, shown

# Who speaks, and what: texts and media.
Message = tuple[str, Sequence[Any]]

@dataclasses.dataclass(frozen=True)
class Dialogue:
  """How turns are written; the defaults are those of Flamingo's figures.

  Attributes:
    instruction: in front of all, unless the system speaks first.
    user: in front of what the user says.
    assistant: in front of what the model says.
    between: between turns, in front of who speaks.
    closes: whether a turn ends with END_OF_CHUNK.
    stops: texts at which an answer ends, beside the token that ends one.
  """

  instruction: str = (
      'This is a conversation between a human, User, and an intelligent visual '
      'AI, Flamingo. User sends images, and Flamingo describes them.\n'
  )
  user: str = 'User:'
  assistant: str = 'Flamingo:'
  between: str = '\n'
  closes: bool = False
  stops: tuple[str, ...] = ('\nUser:', '\nFlamingo:')

  @classmethod
  def of(cls, vocabulary: Vocabulary, sees: bool = True) -> 'AnyDialogue':
    """That of the model whose vocabulary it is, as its makers wrote it.

    Args:
      vocabulary: of the model.
      sees: whether it is a Flamingo; else it is a language model alone.

    Raises:
      UserError: the makers' template is none.
    """
    conventions = vocabulary.conventions
    if not sees and (template := vocabulary.chat_template):
      return template
    if conventions.header:  # who speaks is written by data/turns.py
      return cls('', '', '', '', True, ())
    if conventions.end_of_chunk == '<end_of_utterance>':
      return cls('', 'User:', 'Assistant:', '\n', True, ('\nUser:',))
    return cls()

  def parts(self, messages: Sequence[Message]) -> list[Any]:
    """The parts of a prompt, open for the model if the user speaks last.

    Raises:
      UserError: somebody speaks whom nobody knows, or the system not at the
        beginning.
    """
    instruction, turns = self.instruction, list(messages)
    if turns and turns[0][0] == 'system':
      instruction = ''.join(_texts(turns.pop(0)[1])) + '\n'
    found = [instruction] if instruction else []
    for number, (role, content) in enumerate(turns):
      if role not in ('user', 'assistant'):
        raise UserError(
            f'message {number + 1} is of {shown(role)}: roles are user and '
            'assistant, and system at the beginning alone'
        )
      name = self.user if role == 'user' else self.assistant
      found += self._turn(name, content, is_first=not number)
      if self.closes:
        found.append(END_OF_CHUNK)
    if self.assistant and turns and turns[-1][0] == 'user':
      found.append(self.between + self.assistant)
    return found

  def _turn(
      self, name: str, content: Sequence[Any], is_first: bool
  ) -> list[Any]:
    """Who speaks and what, with a space between the two."""
    content = [part for part in content if not isinstance(part, str) or part]
    if not name:
      return content
    name = name if is_first else self.between + name
    if content and isinstance(content[0], str):
      first = content[0]
      space = '' if first[0].isspace() else ' '
      return [name + space + first, *content[1:]]
    return [name + ' ', *content]


def _texts(parts: Sequence[Any]) -> list[str]:
  for part in parts:
    if not isinstance(part, str):
      raise UserError(
          f"what 'system' says is text, and not {shown(part)}: give pictures as "
          'the user'
      )
  return list(parts)


# What writes the turns of a session.
AnyDialogue = Dialogue | ChatTemplate


def paper_examples(images: Sequence[Media]) -> list[Message]:
  """The turns in front of the dialogues of Flamingo's figures (B.1.6).

  Args:
    images: of a kitten, of people at dinner and of a graph.
  """
  kitten, dinner, graph = images
  return [
      ('user', [kitten]),
      ('assistant', [
          "That is a cat. It's a tiny kitten with really cute big ears."
      ]),
      ('user', [dinner]),
      ('assistant', [
          'This is a picture of a group of people having dinner. They are having '
          'a great time!'
      ]),
      ('user', ['Can you guess what are they celebrating?']),
      ('assistant', [
          'They might be celebrating the end of a successful project or maybe a '
          'birthday?'
      ]),
      ('user', [graph]),
      ('assistant', [
          'This is a graph, it looks like a cumulative density function graph.'
      ]),
  ]
