# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Vocabulary: lossless, deterministic, one added entry; of either kind of file."""

import io
import json
import os
import pathlib
import resource
import sys

import pytest
import sentencepiece
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from flamingo_jax.data import vocabulary as vocabulary_lib
from flamingo_jax.data.owner import owned
from flamingo_jax.errors import UserError
from tests.data import plain_english

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


@pytest.fixture(scope='module')
def vocabulary():
  return vocabulary_lib.default_vocabulary()


def shipped():
  """The default, of SentencePiece."""


def read(make, folder):
  """The vocabulary of a file of Hugging Face's tokenizers, or the shipped one.
  """
  if make is shipped:
    return vocabulary_lib.default_vocabulary()
  path = folder / f'{make.__name__}.json'
  make().save(str(path))
  return vocabulary_lib.Vocabulary(path)


@pytest.fixture(scope='module', params=[shipped, byte_level, llama])
def either(request, tmp_path_factory):
  """A vocabulary of each kind."""
  return read(request.param, tmp_path_factory.mktemp('tokenizers'))


@pytest.mark.parametrize('text', TEXTS)
def test_any_text_survives_and_reaches_no_special_id(either, text):
  ids = either.encode(text)
  if '\u2581' not in text:  # below
    assert either.decode(ids) == text
  special = {either.bos_id, either.eos_id, either.eoc_id, either.pad_id}
  assert not special & set(ids)


@pytest.mark.parametrize('make, found', [
    (shipped, 'a\u2581cat'), (byte_level, 'a\u2581cat'), (llama, 'a cat'),
])
def test_only_a_file_that_writes_spaces_so_cannot_tell_them_apart(
    make, found, tmp_path
):
  vocabulary = read(make, tmp_path)
  assert vocabulary.decode(vocabulary.encode('a\u2581cat')) == found


def test_text_is_the_same_in_pieces(either):
  pieces = ['a', ' cat', '  is\n', 'Question:', '.']
  ids = [i for piece in pieces for i in either.encode(piece)]
  assert either.decode(ids) == ''.join(pieces)


def test_end_of_chunk_is_the_only_added_entry(either):
  assert either.eoc_id == either.base_size == either.size - 1
  assert either.pieces([either.eoc_id]) == ['<EOC>']
  assert either.pieces([either.eos_id])[0] in ('<BOS>', '<EOS>')


def test_ids_end_where_their_text_does(either):
  text = 'a cat, \u56fe cat'
  ids, ends = either.encode_with_ends(text)
  assert ids == either.encode(text)
  assert ends == sorted(ends) and ends[-1] == len(text.encode())
  # Up to the end of the first word, and no id more.
  first = [i for i, end in zip(ids, ends) if end <= len('a cat')]
  assert either.decode(first) == 'a cat'


def test_the_tag_of_an_image_is_plain_text(vocabulary):
  assert vocabulary.image_tag == vocabulary.encode('<image>')
  assert len(vocabulary.image_tag) > 1


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


@pytest.mark.parametrize('name, content, sentence', [
    ('words.txt', b'', 'is not a SentencePiece model'),
    ('words.txt', b'no model', 'is not a SentencePiece model'),
    ('words.txt', b'\x00' * 100, 'is not a SentencePiece model'),
    ('words.json', b'{"a": 1}', 'is not a tokenizer of Hugging Face'),
    ('words.json', b'{', 'is not a tokenizer of Hugging Face'),
])
def test_other_files_are_refused(tmp_path, name, content, sentence):
  path = tmp_path / name
  path.write_bytes(content)
  with pytest.raises(UserError, match=f'{path} {sentence}'):
    vocabulary_lib.Vocabulary(path)


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(UserError, match='absent.model cannot be read'):
    vocabulary_lib.Vocabulary(tmp_path / 'absent.model')


def test_ends_have_the_names_that_models_give_them(tmp_path):
  for make, names in (
      (byte_level, ['<|endoftext|>', '<|endoftext|>']), (llama, ['<s>', '</s>'])
  ):
    found, tokenizer = read(make, tmp_path), make()
    ends = found.bos_id, found.eos_id
    assert [tokenizer.id_to_token(i) for i in ends] == names


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


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
  path = tmp_path / 'own.model'
  good = vocabulary_lib.train_vocabulary(['a b c'] * 50, path, 400)
  (tmp_path / 'link.model').symlink_to(path)
  # What is written here and now takes no more than 100 bytes.
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
  try:
    with pytest.raises(UserError, match='own.model cannot be written .File too'):
      vocabulary_lib.train_vocabulary(['x y z'] * 50, path, 400)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
  assert vocabulary_lib.Vocabulary(path) == good
  with owned(tmp_path, '.own.model.lock'), pytest.raises(
      UserError, match='written by another process'
  ):
    vocabulary_lib.train_vocabulary(['x y z'] * 50, path, 400)
  other = vocabulary_lib.train_vocabulary(
      ['x y z'] * 50, tmp_path / 'link.model', 400
  )
  assert vocabulary_lib.Vocabulary(path) == other
  assert sorted(os.listdir(tmp_path)) == ['link.model', 'own.model']
