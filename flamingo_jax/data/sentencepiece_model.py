# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A SentencePiece model in which every space of a text counts."""

from collections.abc import Sequence

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from sentencepiece import sentencepiece_pb2

from flamingo_jax.errors import UserError

# SentencePiece's stand-in for a space. A text that holds the character itself
# is encoded as its three bytes, or it would come back as a space.
META_SPACE = '\N{LOWER ONE EIGHTH BLOCK}'


class SentencePieceModel:
  """What `Vocabulary` asks of a file.

  Attributes:
    entries, size: how many there are; all have a row.
    added, conventions, chat_template: none, Flamingo's, and none.
    bos_id, eos_id, pad_id: -1 for one that the model does not have.
  """

  def __init__(self, data: bytes, path: str):
    """Reads the contents of a file; `path` is for messages.

    Raises:
      UserError: they are no SentencePiece model.
    """
    # Text is encoded in pieces, so no piece gets a space or loses one.
    try:
      proto = sentencepiece_model_pb2.ModelProto.FromString(data)
      if not proto.pieces:
        raise ValueError('no pieces')
      proto.normalizer_spec.add_dummy_prefix = False
      proto.normalizer_spec.remove_extra_whitespaces = False
      self._processor = sentencepiece.SentencePieceProcessor(
          model_proto=proto.SerializeToString()
      )
    except Exception:  # protobuf and SentencePiece have no common error type
      raise UserError(
          f'vocabulary {path} is not a SentencePiece model; name a .model file'
          " written by SentencePiece, or a tokenizer.json of Hugging Face's"
          ' tokenizers'
      ) from None
    self.entries = self.size = self._processor.get_piece_size()
    self.added: tuple[str, ...] = ()
    self.conventions = 'flamingo'
    self.chat_template = ''
    self.bos_id = self._processor.bos_id()
    self.eos_id = self._processor.eos_id()
    self.pad_id = self._processor.pad_id()
    self._meta_space = [
        self._processor.piece_to_id(f'<0x{byte:02X}>')
        for byte in META_SPACE.encode()
    ]

  def encode(self, text: str) -> list[int]:
    """Ids of the text alone."""
    ids = []
    for i, part in enumerate(text.split(META_SPACE)):
      ids += self._meta_space if i else []
      ids += self._processor.encode(part)
    return ids

  def encode_whole(self, text: str) -> list[int]:
    """Ids of a text that is a whole document, <BOS> in front."""
    return [self.bos_id, *self.encode(text)]

  def encode_with_ends(self, text: str) -> tuple[list[int], list[int]]:
    """`encode`, and for each id where in the text it ends, in UTF-8 bytes."""
    ids, ends, start = [], [], 0
    for i, part in enumerate(text.split(META_SPACE)):
      if i:
        ids += self._meta_space
        start += len(self._meta_space)  # one id per byte
        ends += [start] * len(self._meta_space)
      encoded = self._processor.encode(part, out_type='serialized_proto')
      pieces = sentencepiece_pb2.SentencePieceText.FromString(encoded).pieces
      ids += [piece.id for piece in pieces]
      ends += [start + piece.end for piece in pieces]
      start += len(part.encode())
    return ids, ends

  def decode(self, ids: Sequence[int]) -> str:
    """The text of ids."""
    return self._processor.decode(ids)

  def piece(self, token_id: int) -> str:
    """A printable name."""
    return self._processor.id_to_piece(token_id)
