# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Vocabularies that are files of Hugging Face's tokenizers."""

import json
import sys

import pytest
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from flamingo_jax.data import vocabulary as vocabulary_lib
from flamingo_jax.errors import UserError

TEXTS = (
    'a cat', ' a cat', 'two  spaces and a space behind ', '', '\n\ttabs',
    'naïve 图片 🦩', 'a</s>b <image> <s>', 'x' * 50,
)
SENTENCES = ['A cat sits on a mat.', 'Two dogs run.', 'Output: a red square.']


def byte_level():
  """As of GPT-2 and its kin, which name one entry for both ends."""
  tokenizer = tokenizers.Tokenizer(models.BPE())
  # Their files ask for a space in front.
  tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
  tokenizer.decoder = decoders.ByteLevel()
  trainer = trainers.BpeTrainer(
      vocab_size=400, special_tokens=['<|endoftext|>'],
      initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
      show_progress=False,
  )
  tokenizer.train_from_iterator(SENTENCES, trainer)
  return tokenizer


def llama():
  """As of Llama's SentencePiece model, converted: spaces come in front."""
  pieces = ['<unk>', '<s>', '</s>', *(f'<0x{i:02X}>' for i in range(256))]
  pieces += sorted(set('abcdefghijklmnopqrstuvwxyz▁'))
  vocab = {piece: i for i, piece in enumerate([*pieces, 'ca', 'cat', '▁cat'])}
  tokenizer = tokenizers.Tokenizer(models.BPE(
      vocab, [('c', 'a'), ('ca', 't'), ('▁', 'cat')], unk_token='<unk>',
      fuse_unk=True, byte_fallback=True,
  ))
  tokenizer.add_special_tokens(['<unk>', '<s>', '</s>'])
  tokenizer.normalizer = normalizers.Sequence(
      [normalizers.Prepend('▁'), normalizers.Replace(' ', '▁')]
  )
  tokenizer.decoder = decoders.Sequence([
      decoders.Replace('▁', ' '), decoders.ByteFallback(), decoders.Fuse(),
      decoders.Strip(' ', 1, 0),
  ])
  return tokenizer


@pytest.fixture(params=[byte_level, llama], ids=lambda make: make.__name__)
def vocabulary(request, tmp_path):
  path = tmp_path / 'tokenizer.json'
  request.param().save(str(path))
  return vocabulary_lib.Vocabulary(path)


@pytest.mark.parametrize('text', TEXTS)
def test_any_text_survives_a_round_trip(vocabulary, text):
  assert vocabulary.decode(vocabulary.encode(text)) == text


def test_a_file_that_writes_spaces_so_cannot_tell_them_apart(tmp_path):
  path = tmp_path / 'tokenizer.json'
  for make, found in ((byte_level, 'a▁cat'), (llama, 'a cat')):
    make().save(str(path))
    vocabulary = vocabulary_lib.Vocabulary(path)
    assert vocabulary.decode(vocabulary.encode('a▁cat')) == found


@pytest.mark.parametrize('text', TEXTS)
def test_no_text_reaches_a_special_id(vocabulary, text):
  special = {vocabulary.bos_id, vocabulary.eos_id, vocabulary.eoc_id}
  assert not special & set(vocabulary.encode(text))


def test_text_is_the_same_in_pieces(vocabulary):
  pieces = ['a', ' cat', ' ', ' sits', '.']
  ids = [i for piece in pieces for i in vocabulary.encode(piece)]
  assert vocabulary.decode(ids) == ''.join(pieces)


def test_end_of_chunk_is_the_only_added_entry(vocabulary):
  assert vocabulary.eoc_id == vocabulary.base_size == vocabulary.size - 1
  assert vocabulary.pieces([vocabulary.eoc_id]) == ['<EOC>']
  assert vocabulary.pieces([vocabulary.eos_id])[0] in ('<BOS>', '<EOS>')


def test_ids_end_where_their_text_does(vocabulary):
  text = 'a cat, 图 cat'
  ids, ends = vocabulary.encode_with_ends(text)
  assert ids == vocabulary.encode(text)
  assert ends == sorted(ends) and ends[-1] == len(text.encode())
  # Up to the end of the first word, and no id more.
  first = [i for i, end in zip(ids, ends) if end <= len('a cat')]
  assert vocabulary.decode(first) == 'a cat'


def test_ends_have_the_names_that_models_give_them(tmp_path):
  names = {}
  for make in (byte_level, llama):
    path = tmp_path / f'{make.__name__}.json'
    make().save(str(path))
    found = vocabulary_lib.Vocabulary(path)
    tokenizer = make()
    names[make.__name__] = tuple(
        tokenizer.id_to_token(i) for i in (found.bos_id, found.eos_id)
    )
  assert names == {
      'byte_level': ('<|endoftext|>', '<|endoftext|>'),
      'llama': ('<s>', '</s>'),
  }


@pytest.mark.parametrize('text, sentence', [
    ('{"a": 1}', 'is no tokenizer of Hugging Face'),
    ('{', 'is no tokenizer of Hugging Face'),
])
def test_other_files_are_one_sentence(tmp_path, text, sentence):
  path = tmp_path / 'tokenizer.json'
  path.write_text(text)
  with pytest.raises(UserError, match=sentence) as error:
    vocabulary_lib.Vocabulary(path)
  assert str(path) in str(error.value)


def test_a_tokenizer_without_ends_is_refused(tmp_path):
  path = tmp_path / 'tokenizer.json'
  path.write_text(json.dumps({
      'version': '1.0', 'added_tokens': [],
      'model': {'type': 'WordLevel', 'vocab': {'a': 0}, 'unk_token': 'a'},
  }))
  with pytest.raises(UserError, match='no <BOS> entry'):
    vocabulary_lib.Vocabulary(path)


def test_without_the_package_the_remedy_is_named(tmp_path, monkeypatch):
  path = tmp_path / 'tokenizer.json'
  byte_level().save(str(path))
  monkeypatch.setitem(sys.modules, 'tokenizers', None)
  with pytest.raises(UserError, match=r'pip install -e .\.\[tokenizers\]'):
    vocabulary_lib.Vocabulary(path)
