# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Which medium each token sees: the paper's figure, and every small case."""

import itertools

import chex
import numpy as np
import pytest

from flamingo_jax.data import interleaved
from flamingo_jax.data import vocabulary as vocabulary_lib
from flamingo_jax.data.documents import (
    END_OF_CHUNK,
    Document,
    image,
    video,
)
from flamingo_jax.errors import UserError

FIGURE_7 = ['Cute pics of my pets!', 'My puppy sitting in the grass.',
            ' My cat looking very dignified.']


def picture(value):
  return image(np.full((4, 4, 3), value, np.uint8))


PICTURES = [picture(10 * i) for i in range(1, 9)]


@pytest.fixture(scope='module')
def vocabulary():
  return vocabulary_lib.default_vocabulary()


@pytest.fixture(scope='module')
def words(tmp_path_factory):
  """A vocabulary in which every word of Figure 7 is one token."""
  path = tmp_path_factory.mktemp('vocabulary') / 'words.model'
  texts = FIGURE_7 + [f' {text}' for text in FIGURE_7] + ['<image>']
  return vocabulary_lib.train_vocabulary(texts * 20, path, 600)


def document(*parts):
  return Document(tuple(parts), 'test', 7)


def make_example(doc, vocabulary, **options):
  defaults = dict(length=32, max_media=3, frames=1, image_size=8, rng=None)
  return interleaved.make_example(
      doc, vocabulary=vocabulary, **(defaults | options)
  )


def test_figure_7(words):
  pets, puppy, cat = FIGURE_7
  doc = interleaved.tokenize_document(
      [pets, PICTURES[0], puppy, PICTURES[1], cat], words, close=False
  )
  # The figure ends with <EOC>, not with <EOS>.
  index = [*doc.media_index, doc.media_index[-1]]
  assert index == [0] * 8 + [1] * 11 + [2] * 10
  assert words.decode(doc.tokens) == f'{pets}<image>{puppy}<image>{cat}'


# One character per token: 'b' <BOS>, 't' text, 'c' <EOC>, 'i' tag, 'e' <EOS>;
# below it the medium it sees, the last one and (p_next) the next one.
LAYOUTS = [
    ('', 'bce', '000', '000'),
    ('t', 'btce', '0000', '0000'),
    ('m', 'biiice', '011111', '100000'),
    ('mt', 'biiitce', '0111111', '1000000'),
    ('tm', 'btciiice', '00011111', '11100000'),
    ('mm', 'biiiciiice', '0111122222', '1222200000'),
    ('mtmt', 'biiitciiitce', '011111222222', '122222000000'),
    ('tmtmt', 'btciiitciiitce', '00011111222222', '11122222000000'),
]


def describe(doc, vocabulary):
  names = {vocabulary.bos_id: 'b', vocabulary.eoc_id: 'c',
           vocabulary.eos_id: 'e'}
  return ''.join(
      'i' if is_tag else names.get(token, 't')
      for token, is_tag in zip(doc.tokens.tolist(), doc.is_tag)
  )


@pytest.mark.parametrize('parts, layout, previous, following', LAYOUTS)
def test_layouts(vocabulary, parts, layout, previous, following):
  assert len(vocabulary.encode('x')) == 1 and len(vocabulary.image_tag) == 3
  pieces = [PICTURES[i] if p == 'm' else 'x' for i, p in enumerate(parts)]
  for next_media, index in ((False, previous), (True, following)):
    doc = interleaved.tokenize_document(
        pieces, vocabulary, next_media=next_media
    )
    assert describe(doc, vocabulary) == layout
    assert ''.join(map(str, doc.media_index)) == index
    assert doc.media == tuple(p for p in pieces if p != 'x')
    prompt = interleaved.tokenize_document(
        pieces, vocabulary, next_media=next_media, close=False
    )
    assert prompt.tokens.tolist() == doc.tokens[:-2].tolist()
    assert prompt.media_index.tolist() == doc.media_index[:-2].tolist()


def test_neighbouring_texts_are_one_text(vocabulary):
  split = ['A wo', 'man', PICTURES[0], 'smi', 'les.']
  whole = ['A woman', PICTURES[0], 'smiles.']
  chex.assert_trees_all_equal(
      interleaved.tokenize_document(split, vocabulary).tokens,
      interleaved.tokenize_document(whole, vocabulary).tokens,
  )


@pytest.mark.parametrize('parts, chunks, index', [
    (['a', END_OF_CHUNK, 'b'], ['a', 'b'], [0, 0]),
    (['a', END_OF_CHUNK, PICTURES[0], 'b'],
     ['a', '<image>b'], [0, 1]),
    ([PICTURES[0], 'a', END_OF_CHUNK, 'b', PICTURES[1]],
     ['<image>a', 'b', '<image>'], [1, 1, 2]),
    ([END_OF_CHUNK, 'a', END_OF_CHUNK],
     ['a', ''], [0, 0]),
])
def test_a_chunk_of_text_alone_can_be_ended(vocabulary, parts, chunks, index):
  doc = interleaved.tokenize_document(parts, vocabulary, close=False)
  ends = np.flatnonzero(doc.tokens == vocabulary.eoc_id)
  split = np.split(doc.tokens, ends)
  assert [vocabulary.decode(chunk) for chunk in split] == chunks
  assert [part[-1] for part in np.split(doc.media_index, ends)] == index


def test_a_document_that_ends_its_last_chunk_is_closed_once(vocabulary):
  close = lambda *parts: interleaved.tokenize_document(parts, vocabulary)
  chex.assert_trees_all_equal(
      close('a', END_OF_CHUNK).tokens, close('a').tokens
  )


def test_other_parts_are_refused(vocabulary):
  with pytest.raises(UserError, match='not of a ndarray; wrap pictures in ima'):
    interleaved.tokenize_document(['x', np.zeros((4, 4, 3))], vocabulary)


def test_tags_in_text_are_text(vocabulary):
  parts = ['<image><EOC></s>', PICTURES[0], ' <image>']
  doc = interleaved.tokenize_document(parts, vocabulary)
  assert doc.is_tag.sum() == len(vocabulary.image_tag)
  assert (doc.tokens == vocabulary.eoc_id).sum() == 2
  assert (doc.tokens == vocabulary.eos_id).sum() == 1
  text = vocabulary.decode(doc.tokens[~doc.is_tag])
  assert text == '<image><EOC></s> <image>'


@pytest.mark.parametrize('parts, expected', [
    ([PICTURES[0], 'A cat.'], ' A cat.'),
    ([PICTURES[0], ' A cat.'], ' A cat.'),
    ([PICTURES[0], '\nA cat.'], '\nA cat.'),
    (['See:', PICTURES[0], 'a', PICTURES[1], 'b'], 'See: a b'),
    ([PICTURES[0]], ''),
])
def test_leading_space_goes_before_text_of_media(vocabulary, parts, expected):
  doc = interleaved.tokenize_document(parts, vocabulary, leading_space=True)
  assert vocabulary.decode(doc.tokens[~doc.is_tag]) == expected


def naive_window(doc, length, max_media, start):
  """The index of every token of a window, by its definition."""
  stop = min(start + length + 1, len(doc.tokens))
  inside = [p for p in doc.positions if start <= p < start + length]
  kept, dropped = inside[:max_media], inside[max_media:]
  index = []
  for token in range(start, stop):
    if doc.next_media:
      following = [p for p in doc.positions if p > token]
      target = following[0] if following else None
    else:
      before = [p for p in doc.positions if p <= token and p not in dropped]
      target = before[-1] if before else None
    index.append(kept.index(target) + 1 if target in kept else 0)
  return index, kept


@pytest.mark.parametrize('next_media', [False, True])
def test_every_window_against_its_definition(vocabulary, next_media):
  parts = ['xx', PICTURES[0], 'x', PICTURES[1], PICTURES[2], 'xx', PICTURES[3]]
  doc = interleaved.tokenize_document(parts, vocabulary, next_media=next_media)
  size = len(doc.tokens)
  for length, max_media in itertools.product(range(1, size + 2), range(1, 5)):
    for start in range(size):
      seen = interleaved.window(doc, length, max_media, start)
      index, kept = naive_window(doc, length, max_media, start)
      stop = min(start + length + 1, size)
      assert seen.tokens.tolist() == doc.tokens[start:stop].tolist()
      # The last token is a target only: nothing is asked about what it sees.
      assert seen.media_index[:length].tolist() == index[:length]
      assert seen.is_tag.tolist() == doc.is_tag[start:stop].tolist()
      assert [doc.media.index(m) for m in seen.media] == [
          list(doc.positions).index(p) for p in kept
      ]


def test_example_of_a_pair(vocabulary):
  doc = document(PICTURES[0], 'A cat.')
  example = make_example(doc, vocabulary, length=16, max_media=2, frames=2)
  chex.assert_shape(example['media'], (2, 2, 8, 8, 3))
  shapes = {k: v.shape for k, v in example.items() if k != 'media'}
  assert shapes == {
      'tokens': (16,), 'targets': (16,), 'loss_weights': (16,),
      'media_index': (16,), 'media_mask': (2, 2), 'example_id': (),
  }
  dtypes = {k: v.dtype.name for k, v in example.items()}
  assert dtypes == {
      'tokens': 'int32', 'targets': 'int32', 'loss_weights': 'float32',
      'media_index': 'int32', 'media': 'uint8', 'media_mask': 'bool',
      'example_id': 'int32',
  }
  text = vocabulary.encode('A cat.')
  tag, n = vocabulary.image_tag, len(vocabulary.encode('A cat.'))
  sequence = [vocabulary.bos_id, *tag, *text, vocabulary.eoc_id,
              vocabulary.eos_id]
  assert example['tokens'][: n + 5].tolist() == sequence[:-1]
  assert example['targets'][: n + 5].tolist() == sequence[1:]
  assert (example['tokens'][n + 5 :] == vocabulary.pad_id).all()
  # Tags are given, not learned; text, <EOC> and <EOS> are learned; padding not.
  weights = [0] * 3 + [1] * (n + 2) + [0] * (16 - n - 5)
  assert example['loss_weights'].tolist() == weights
  assert example['media_index'].tolist() == (
      [0] + [1] * (n + 4) + [0] * (16 - n - 5)
  )
  assert example['media_mask'].tolist() == [[True, False], [False, False]]
  assert (example['media'][0, 0] == 10).all()
  assert not example['media'][1].any()
  assert example['example_id'] == 7


def test_windows_are_drawn_uniformly_and_stay_inside(vocabulary):
  doc = document('x' * 30, PICTURES[0], 'y')
  whole = interleaved.tokenize_document(doc.parts, vocabulary).tokens
  length = len(whole) - 4  # four places: length + 1 tokens are needed
  starts = set()
  for seed in range(60):
    rng = np.random.default_rng(seed)
    example = make_example(doc, vocabulary, length=length, rng=rng)
    starts.add(
        next(
            s for s in range(4)
            if (whole[s : s + length] == example['tokens']).all()
            and (whole[s + 1 : s + length + 1] == example['targets']).all()
        )
    )
    assert (example['loss_weights'] == 0).sum() == 3  # no padding, the tag
  # The window at 0 ends inside the tag, and no text that it has sees the medium.
  assert starts == {1, 2, 3}


@pytest.mark.parametrize('length', [8, 13, 32])
def test_a_caption_keeps_its_picture_whatever_its_length(vocabulary, length):
  for words in (1, 5, 40):
    for parts in (
        (PICTURES[0], ' x' * words),
        (' x' * words, PICTURES[0], ' y' * words),
        (' x' * words, PICTURES[0]),
        (PICTURES[0], ' x' * words, PICTURES[1], ' y' * words),
    ):
      for seed in range(30):
        example = make_example(
            document(*parts), vocabulary, length=length,
            rng=np.random.default_rng(seed),
        )
        assert example['media_mask'].any()
        sees = example['media_index'] > 0
        assert (example['loss_weights'][sees] > 0).any()


def test_augmentations_follow_their_probabilities(vocabulary):
  doc = document('see', PICTURES[0], 'cat')
  def rate(**options):
    spaced = shifted = 0
    for seed in range(200):
      example = make_example(
          doc, vocabulary, rng=np.random.default_rng(seed), **options
      )
      shifted += example['media_index'][0] == 1
      spaced += vocabulary.encode(' cat')[0] in example['tokens']
    return shifted / 200, spaced / 200
  assert rate() == (0, 0)
  assert rate(p_next=1.0) == (1, 0)
  assert rate(p_space=1.0) == (0, 1)
  shifted, spaced = rate(p_next=0.5, p_space=0.5)
  assert abs(shifted - 0.5) < 0.12 and abs(spaced - 0.5) < 0.12


def test_same_seed_same_example_and_none_is_plain(vocabulary):
  frames = np.arange(20, dtype=np.uint8).repeat(12).reshape(20, 2, 2, 3)
  doc = document(PICTURES[0], 'x' * 50, video(frames), 'y')
  def example(seed):
    rng = None if seed is None else np.random.default_rng(seed)
    return make_example(
        doc, vocabulary, length=48, frames=2, rng=rng, p_next=0.5, p_space=0.5
    )
  chex.assert_trees_all_equal(example(3), example(3))
  chex.assert_trees_all_equal(example(None), example(None))
  assert example(None)['tokens'][0] == vocabulary.bos_id
  assert example(None)['media_index'][1] == 1
  assert any(
      (example(seed)['tokens'] != example(3)['tokens']).any()
      for seed in range(5)
  )


def test_an_unreadable_medium_names_the_document(vocabulary):
  doc = Document((image('absent.jpg'), 'x'), 'own.jsonl:12', 12)
  with pytest.raises(UserError, match=r'^own.jsonl:12: .*absent.jpg'):
    make_example(doc, vocabulary)
