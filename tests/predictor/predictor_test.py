# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The Python API against the model's full forward pass, and its complaints."""

import functools

import jax
import numpy as np
import pytest

import flamingo_jax as fj
from flamingo_jax import models
from flamingo_jax.data import interleaved
from flamingo_jax.data.frames import Sampling
from flamingo_jax.data.media import load_frames
from flamingo_jax.predictor import candidates as trees

STEPS = 5
RNG = np.random.default_rng(0)
PIXELS = [RNG.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(3)]
CAT, DOG, FISH = map(fj.image, PIXELS)
CLIP = fj.video(RNG.integers(0, 256, (3, 20, 30, 3), np.uint8))
PROMPTS = [
    [CAT, 'Output:'],
    [CAT, 'Output: a small cat', DOG, 'Output: a dog', FISH, 'Output:'],
    ['no picture'],
    [DOG],
]


@pytest.fixture(scope='module')
def forward(model):
  """log_probs(prompt, ids): of each next token, with one picture a medium."""
  flamingo = models.Flamingo(model.config)
  run = jax.jit(lambda *args: flamingo.apply({'params': model.params}, *args))

  def log_probs(prompt, ids):
    document = interleaved.tokenize_document(
        prompt, model.vocabulary, close=False
    )
    length = len(document.tokens)
    tokens, index = np.zeros((2, 1, 64), np.int32)
    tokens[0, :length] = document.tokens
    tokens[0, length : length + len(ids)] = ids
    index[0, :length] = document.media_index
    index[0, length:] = document.media_index[-1]
    media = np.zeros((1, 3, 1, 16, 16, 3), np.uint8)
    for i, medium in enumerate(document.media):
      media[0, i] = load_frames(medium, 1, 16, None)[0]
    logits = run(tokens, index, media, np.ones((1, 3, 1), bool))
    end = length + len(ids)
    return np.asarray(jax.nn.log_softmax(logits))[0, length - 1 : end]

  return log_probs


@pytest.mark.parametrize('prompt', PROMPTS, ids=len)
def test_generates_the_likeliest_tokens_of_the_full_forward(
    model, forward, prompt
):
  ids = []
  for _ in range(STEPS):
    ids.append(int(forward(prompt, ids)[-1].argmax()))
  expected = model.vocabulary.decode(ids).strip()
  assert expected
  assert model.generate(prompt, max_new_tokens=STEPS) == expected


@pytest.mark.parametrize(
    'options', [{}, {'beams': 3}, {'temperature': 1.0, 'top_p': 0.9}], ids=str
)
def test_prompts_together_are_as_alone(model, options):
  alone = [
      model.generate(prompt, max_new_tokens=STEPS, **options)
      for prompt in PROMPTS
  ]
  together = model.generate(
      PROMPTS, max_new_tokens=STEPS, batch_size=3, **options
  )
  # The first prompt has the same draws alone and in a list.
  count = 1 if 'temperature' in options else len(PROMPTS)
  assert together[:count] == alone[:count]
  assert len(set(together)) == len(PROMPTS)


def test_seed_decides_the_draws(model):
  draw = lambda seed: model.generate(
      [[CAT]] * 2, max_new_tokens=STEPS, temperature=2.0, seed=seed
  )
  assert draw(1) == draw(1) != draw(2)
  assert len(set(draw(1))) == 2  # the same prompt twice


def test_answer_ends_before_the_first_eoc(model):
  prompt = [CAT, 'Output:']
  document = interleaved.tokenize_document(
      prompt, model.vocabulary, close=False
  )
  ((tokens, _, _),) = model._inference.answer(
      [document], max_new_tokens=8, batch_size=1, sampling=Sampling(2, 1.0)
  )
  new = next(i for i in range(2, 8) if tokens[i] not in tokens[:i])
  # <EOC> takes the place of a token that was about to be said.
  decoder = dict(model.params['decoder'])
  row = decoder['token_embedder'][tokens[new]]
  decoder['new_token_embedding'] = 1.001 * row[None]
  eager = fj.Predictor(
      model.config, {**model.params, 'decoder': decoder}, model.vocabulary
  )
  expected = model.vocabulary.decode(tokens[:new]).strip()
  assert eager.generate(prompt, max_new_tokens=8) == expected


def test_scores_equal_the_full_forward(model, forward):
  # Some begin alike, and one is the beginning of another.
  candidates = ['a cat', 'yes', 'three dogs in the snow', 'a', 'three dogs']
  scores = model.score(PROMPTS, candidates)
  assert scores.shape == (4, 5)
  closed = model.score(PROMPTS[1], candidates, close=True)
  for row, prompt in enumerate(PROMPTS):
    space = ' ' if isinstance(prompt[-1], str) else ''
    for column, text in enumerate(candidates):
      ids = model.vocabulary.encode(space + text)
      said = forward(prompt, ids)
      expected = said[np.arange(len(ids)), ids].sum()
      np.testing.assert_allclose(scores[row, column], expected, atol=1e-3)
      if row == 1:
        end = said[-1, model.vocabulary.eoc_id]
        np.testing.assert_allclose(closed[column], expected + end, atol=1e-3)


def test_separator_joins_text_with_text_only(model):
  score = lambda text, candidate, **options: model.score(
      [CAT, text], [candidate], **options
  )
  assert score('Output:', 'a cat') == score('Output:', ' a cat')
  assert score('Output:', 'a cat') != score(
      'Output:', 'a cat', separator=''
  )
  assert score('Output: ', 'a cat') == score(
      'Output: ', 'a cat', separator=''
  )


def test_candidates_in_several_goes_score_the_same(model, monkeypatch):
  candidates = ['a cat', 'a', 'three dogs in the snow', 'three dogs']
  expected = model.score(PROMPTS[:2], candidates)
  assert trees.Trees([[[1, 2, 3], [1, 2], [1, 5]]]).arrays([0]).read.size == 2
  monkeypatch.setattr(trees, '_MOST_READ', 3)
  np.testing.assert_allclose(
      model.score(PROMPTS[:2], candidates), expected, rtol=1e-5, atol=1e-5
  )


@pytest.fixture
def lowered():
  """A list that grows by each program that is made."""
  found = []
  jax.monitoring.register_event_duration_secs_listener(
      lambda name, *_, **__: found.append(name) if 'mlir' in name else None
  )
  return found


def test_another_predictor_of_a_model_compiles_nothing(model, lowered):
  ask = lambda predictor: predictor.score([CAT, 'Output:'], ['a cat', 'no'])
  expected = ask(model)
  params = jax.device_put(
      jax.tree.map(lambda x: 0.5 * x, jax.device_get(model.params))
  )
  other = fj.Predictor(model.config, params, model.vocabulary, frames=2)
  lowered.clear()
  assert np.all(ask(other) != expected)  # it has weights of its own
  assert not lowered


def test_few_programs_answer_prompts_of_all_lengths_and_limits(model, lowered):
  rng = np.random.default_rng(0)
  for _ in range(100):
    prompt = [part for medium in rng.choice([CAT, DOG, FISH], rng.integers(4))
              for part in (medium, 'word ' * rng.integers(1, 5))]
    model.generate(prompt or ['word'], max_new_tokens=int(rng.integers(1, 20)))
  assert len(lowered) <= 3


def test_as_many_media_fit_as_the_message_says(model):
  with pytest.raises(fj.UserError) as error:
    model.generate([CAT, 'a b c d e'] * 7, max_new_tokens=STEPS)
  fits = int(str(error.value).split('the last ')[1].split()[0])
  model.generate([CAT, 'a b c d e'] * fits, max_new_tokens=STEPS)
  with pytest.raises(fj.UserError):
    model.generate([CAT, 'a b c d e'] * (fits + 1), max_new_tokens=STEPS)


def test_vocabulary_of_another_size_is_told(model):
  config = models.variants.get('flamingo_tiny', {'decoder.vocab': 7})
  with pytest.raises(fj.UserError, match='entries and the language model 7'):
    fj.Predictor(config, model.params, model.vocabulary)


def test_what_else_is_asked_changes_no_bit_of_scores(model):
  prompts = [[m, text] for text in ('Output:', 'a', 'b') for m in (CAT, DOG)]
  alone = [model.score(prompt, ['a cat', 'no']) for prompt in prompts]
  assert len(np.unique(alone)) == 12
  for size in (2, 4):
    together = model.score(prompts, ['a cat', 'no'], batch_size=size)
    np.testing.assert_array_equal(together, alone)


def test_features_are_those_of_each_medium(model):
  rows = model.embed([CAT, CLIP, DOG])
  assert rows.shape[0] == 3 and np.ptp(rows, axis=1).min() > 0
  close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
  close(model.embed([DOG])[0], rows[2])
  pixels, _ = load_frames(CLIP, 2, 16, None)
  frames = model.embed([fj.image(frame) for frame in pixels])
  close(frames.mean(axis=0), rows[1])


def test_weights_tell_checkpoints_apart(model):
  same = fj.Predictor(model.config, model.params, model.vocabulary, frames=1)
  assert same.sha256 == model.sha256 and len(same.sha256) == 64
  changed = jax.tree.map(lambda x: x, model.params)
  leaf = changed['decoder']['final_norm']['scale']
  changed['decoder']['final_norm']['scale'] = leaf.at[0].add(1e-3)
  other = fj.Predictor(model.config, changed, model.vocabulary, frames=1)
  assert other.sha256 != model.sha256
