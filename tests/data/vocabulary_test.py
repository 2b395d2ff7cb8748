# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Vocabulary: lossless, deterministic, one added entry."""

import hashlib
import io
import pathlib

import pytest
import sentencepiece

from flamingo_jax.data import plain_english
from flamingo_jax.data import vocabulary as vocabulary_lib
from flamingo_jax.errors import UserError

TEXTS = [
    '',
    ' ',
    'A cat.',
    ' A cat.',
    'two  spaces,   three   ',
    'lines\n\n\tand tabs\r\n',
    '<image><EOC></s><s><BOS><pad><unk>',
    '<0x41>',
    'caf\u00e9 na\u00efve \u00dcber',
    '\u732b\u304c\u5ea7\u3063\u3066\u3044\u308b',
    '\u0645\u0631\u062d\u0628\u0627',
    '\U0001f9a9\U0001f468\u200d\U0001f469\u200d\U0001f467',
    '\u2581 lower one eighth block \u2581\u2581',
    '\u200b\u2028\xa0\x00\x7f',
    'e\u0301 is not \u00e9; \ufb01 is not fi',
]

CAPTIONS = [
    'A woman in an orange space suit smiles in front of the American flag.',
    'A ginger cat rests on a striped blanket and looks at the camera.',
    'A cup of coffee on a saucer with a spoon, seen from above.',
    'A skateboarder does a trick on a rail while people watch.',
    'The kitchen has white cabinets, a stove and a large refrigerator.',
    'Two giraffes eating leaves from the top of a tree in the zoo.',
]


@pytest.fixture(scope='module')
def vocabulary():
  return vocabulary_lib.default_vocabulary()


def train_raw(path, **options):
  """A model as other projects train them, with SentencePiece's defaults."""
  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
      sentence_iterator=iter(['the cat sat on the mat'] * 10),
      model_writer=model,
      vocab_size=300,
      hard_vocab_limit=False,
      minloglevel=2,
      **options,
  )
  pathlib.Path(path).write_bytes(model.getvalue())
  return path


@pytest.mark.parametrize('text', TEXTS)
def test_any_text_survives_a_round_trip(vocabulary, text):
  assert vocabulary.decode(vocabulary.encode(text)) == text


@pytest.mark.parametrize('text', TEXTS)
def test_no_text_reaches_a_special_id(vocabulary, text):
  special = {vocabulary.bos_id, vocabulary.eos_id, vocabulary.eoc_id,
             vocabulary.pad_id}
  assert not special & set(vocabulary.encode(text))


def test_text_is_the_same_in_pieces(vocabulary):
  pieces = ['Question:', ' What', '  is\n', 'it?']
  ids = [i for piece in pieces for i in vocabulary.encode(piece)]
  assert vocabulary.decode(ids) == ''.join(pieces)


def test_end_of_chunk_is_the_only_added_entry(vocabulary):
  assert vocabulary.eoc_id == vocabulary.base_size == vocabulary.size - 1
  assert vocabulary.pieces([vocabulary.eoc_id]) == ['<EOC>']
  assert vocabulary.image_tag == vocabulary.encode('<image>')
  assert len(vocabulary.image_tag) > 1, '<image> is plain text'


def test_special_ids_are_silent(vocabulary):
  cat = vocabulary.encode(' cat')
  ids = [vocabulary.bos_id, *cat, vocabulary.eoc_id, vocabulary.eos_id,
         vocabulary.pad_id]
  assert vocabulary.decode(ids) == ' cat'
  assert vocabulary.pieces(ids)[0] == '<BOS>'
  assert vocabulary.pieces(ids)[-3:-1] == ['<EOC>', '<EOS>']


@pytest.mark.parametrize('bad_id', [-1, 2049, 10**6])
def test_ids_of_another_vocabulary_are_refused(vocabulary, bad_id):
  with pytest.raises(UserError, match=f'token id {bad_id} is outside.*2048'):
    vocabulary.decode([bad_id])
  with pytest.raises(UserError, match='outside'):
    vocabulary.pieces([bad_id])


def test_half_a_character_is_refused(vocabulary):
  with pytest.raises(UserError, match='not valid Unicode'):
    vocabulary.encode('broken \ud83e')


def test_captions_are_compact(vocabulary):
  tokens = sum(len(vocabulary.encode(caption)) for caption in CAPTIONS)
  assert sum(map(len, CAPTIONS)) / tokens > 3.0
  caption = 'a large striped red star and a small plain blue ring'
  assert len(vocabulary.encode(caption)) == len(caption.split())


def test_the_shipped_file_is_made_by_the_committed_text(vocabulary, tmp_path):
  again = vocabulary_lib.train_vocabulary(
      plain_english.sentences(), tmp_path / 'again.model', 2048
  )
  every_id = range(vocabulary.size)
  assert again.pieces(every_id) == vocabulary.pieces(every_id)


def test_the_digest_is_that_of_the_file(vocabulary):
  data = pathlib.Path(vocabulary.path).read_bytes()
  assert vocabulary.sha256 == hashlib.sha256(data).hexdigest()


def test_vocabularies_are_equal_by_content(vocabulary, tmp_path):
  copy = tmp_path / 'copy.model'
  copy.write_bytes(pathlib.Path(vocabulary.path).read_bytes())
  assert vocabulary_lib.Vocabulary(copy) == vocabulary
  other = train_raw(tmp_path / 'other.model')
  assert vocabulary_lib.Vocabulary(other) != vocabulary


def test_other_projects_models_keep_spaces(tmp_path):
  # By default SentencePiece adds a space in front and merges others.
  path = train_raw(tmp_path / 'm.model', byte_fallback=True)
  vocabulary = vocabulary_lib.Vocabulary(path)
  for text in ('the cat', ' the cat', 'the  cat '):
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_a_model_without_padding_pads_with_0_and_prints_it(tmp_path):
  path = train_raw(tmp_path / 'm.model')  # <unk> is 0, there is no <pad>
  vocabulary = vocabulary_lib.Vocabulary(path)
  assert vocabulary.pad_id == 0
  assert vocabulary.decode([0]) != ''


@pytest.mark.parametrize('missing', ['bos', 'eos'])
def test_a_model_without_document_ends_is_refused(tmp_path, missing):
  path = train_raw(tmp_path / 'm.model', **{f'{missing}_id': -1})
  with pytest.raises(UserError, match=f'm.model.*no <{missing.upper()}>'):
    vocabulary_lib.Vocabulary(path)


@pytest.mark.parametrize('content', [b'', b'no model', b'\x00' * 100])
def test_other_files_are_refused(tmp_path, content):
  path = tmp_path / 'words.txt'
  path.write_bytes(content)
  with pytest.raises(UserError, match='words.txt is not a SentencePiece model'):
    vocabulary_lib.Vocabulary(path)


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(UserError, match='absent.model cannot be read'):
    vocabulary_lib.Vocabulary(tmp_path / 'absent.model')


def test_a_vocabulary_too_small_for_the_bytes_is_refused(tmp_path):
  with pytest.raises(UserError, match='no vocabulary of 10 pieces'):
    vocabulary_lib.train_vocabulary(['a cat'], tmp_path / 'm.model', 10)
  assert not (tmp_path / 'm.model').exists()
