# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Documents as turns of a user and an assistant (Llama 3.2 Vision Instruct).

  <BOS> header user <image> What is it? <EOC> header assistant A dog. <EOC> ...

END_OF_CHUNK ends a turn, and the other one begins. A prompt is left open where the
assistant is to speak; one without media has the system's turn in front, as in its
maker's template.
"""

from collections.abc import Sequence
from typing import Any

from flamingo_jax.data.documents import EndOfChunk
from flamingo_jax.data.media import Media
from flamingo_jax.data.vocabulary import Vocabulary

_ROLES = ('user', 'assistant')
# The date is the one that the template falls back on: the same tokens every day.
_SYSTEM = 'Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n'


def tokenize_turns(
    parts: Sequence[Any], vocabulary: Vocabulary, close: bool
) -> tuple[list[int], list[int], list[Media]]:
  """Tokens, where the tag of each medium stands, and the media.

  Args:
    parts: texts, media and END_OF_CHUNK.
    vocabulary: of the language model.
    close: whether the last turn is ended; a document of one turn is then that of
      a user who shows media, and what follows these the assistant's.
  """
  turns: list[list[Any]] = [[]]
  for part in parts:
    if isinstance(part, EndOfChunk):
      turns.append([])
    else:
      turns[-1].append(part)
  if close and len(turns) == 1:
    behind = 1 + max(
        (i for i, x in enumerate(parts) if isinstance(x, Media)), default=-1
    )
    turns = [turns[0][:behind], turns[0][behind:]]
  if not turns[-1]:
    turns.pop()
  tokens, positions, media = [vocabulary.bos_id], [], []
  start, end = vocabulary.header_ids

  def speak(role, content):
    nonlocal tokens
    tokens += [start, *encode(role), end]
    text = '\n\n'
    for part in content:
      if isinstance(part, Media):
        tokens += encode(text)
        positions.append(len(tokens))
        media.append(part)
        tokens += vocabulary.image_tag
        text = ''
      else:
        text += part
    tokens += encode(text)

  encode = lambda text: vocabulary.encode_part(text, is_first=False)
  if not any(isinstance(part, Media) for part in parts):
    speak('system', [_SYSTEM])
    tokens.append(vocabulary.eoc_id)
  for number, content in enumerate(turns):
    speak(_ROLES[number % 2], content)
    is_last = number == len(turns) - 1
    if close or not is_last or number % 2 == 0 or parts[-1] is not content[-1]:
      tokens.append(vocabulary.eoc_id)
  if not close and tokens[-1] == vocabulary.eoc_id:
    speak('assistant', [])
  return tokens, positions, media
