# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A table of which image each token of a document or prompt sees."""

import os
from typing import Sequence

from flamingo_jax.data import interleaved
from flamingo_jax.data.documents import EndOfChunk
from flamingo_jax.data.media import Media
from flamingo_jax.data.vocabulary import Vocabulary


def explain(
    parts: Sequence[str | Media | EndOfChunk],
    vocabulary: Vocabulary,
    next_media: bool = False,
    close: bool = True,
) -> str:
  """One line per token: position, token, the medium it sees, its loss weight.

  The weight is that of predicting the token of its line. With `next_media`
  tokens see the next medium, as for half of the web documents in training
  (Flamingo A.3.2); without `close` no <EOC> and <EOS> end a prompt.
  """
  doc = interleaved.tokenize_document(
      parts, vocabulary, next_media=next_media, close=close
  )
  names = ['none', *(
      f'{medium.kind} {i} ({os.path.basename(medium.path)})'
      for i, medium in enumerate(doc.media, 1)
  )]
  if vocabulary.conventions.groups_media:
    names = ['none', *(
        ', '.join(names[first : i + 1])
        for i, first in enumerate(doc.group_starts, 1)
    )]
  rows = [('position', 'token', 'sees', 'loss')]
  pieces = vocabulary.pieces(doc.tokens)
  for i, (piece, index) in enumerate(zip(pieces, doc.media_index)):
    # Nothing predicts the first token, and tags are given, not generated.
    weight = '0' if i == 0 or doc.is_tag[i] else '1'
    printable = piece if piece.isprintable() else repr(piece)[1:-1]
    rows.append((str(i), printable, names[index], weight))
  widths = [max(map(len, column)) for column in zip(*rows)]
  return '\n'.join(
      f'{position:>{widths[0]}}  {token:<{widths[1]}}  {sees:<{widths[2]}}'
      f'  {loss:>{widths[3]}}'
      for position, token, sees, loss in rows
  )
