# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Log-probabilities of an answer's tokens, with their texts."""

from collections.abc import Sequence

from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.predictor.slots import Piece
from flamingo_jax.serving.requests import TokenLogProb

LEAST = -9999.0  # what OpenAI says of what is next to impossible
_WINDOW = 8  # tokens in front of one by which its text is told


def of_piece(
    vocabulary: Vocabulary, before: Sequence[int], piece: Piece, count: int
) -> list[TokenLogProb]:
  """Those of a piece's tokens, each with `count` of the likeliest.

  Args:
    vocabulary: of the model.
    before: all tokens in front, the last few of the prompt too.
    piece: the tokens.
    count: at most what the piece has.
  """
  ids, found = list(before[-_WINDOW:]), []
  for i, token in enumerate(map(int, piece.tokens)):
    window = ids[-_WINDOW:]
    head = vocabulary.decode(window)
    text = lambda other: vocabulary.decode([*window, other])[len(head) :]
    # What would have ended the answer, and others that no text shows.
    name = lambda other: text(other) or vocabulary.pieces([other])[0]
    likeliest = zip(
        piece.likeliest[i, :count].tolist(),
        piece.likeliest_log_probs[i, :count].tolist(),
    )
    found.append(TokenLogProb(
        text(token), max(float(piece.log_probs[i]), LEAST),
        tuple(
            TokenLogProb(name(other), max(score, LEAST))
            for other, score in likeliest
        ),
    ))
    ids.append(token)
  return found
