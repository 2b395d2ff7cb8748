# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A model with its vocabulary: parts in, answers out."""

import collections
from collections.abc import Sequence
import functools
import hashlib

import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax import decoding
from flamingo_jax.data.interleaved import TokenizedDocument
from flamingo_jax.data.media import Media, load_frames
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models import Cache, Flamingo, FlamingoConfig
from flamingo_jax.predictor import inputs
from flamingo_jax.predictor.inputs import Prompt
from flamingo_jax.typing import Array, Bool, Float, Tree, UInt8

_MEDIA_AT_ONCE = 8  # through the vision encoder
_SCORING_BYTES = 2**30  # for the copies of the cache that candidates get


class Predictor:
  """A model with its vocabulary; make one with `load`."""

  def __init__(
      self,
      config: FlamingoConfig,
      params: Tree,
      vocabulary: Vocabulary,
      frames: int = 8,
      keep_latents: int = 0,
  ):
    """Moves the parameters to the device; compiles nothing yet.

    Args:
      config: the architecture.
      params: its whole tree.
      vocabulary: of its language model.
      frames: of a video.
      keep_latents: of how many files the latents stay in memory, the latest
        used; for few-shot prompts, whose shots come again and again.

    Raises:
      UserError: the vocabulary is not of the architecture's size.
    """
    if vocabulary.base_size != config.decoder.vocab:
      raise UserError(
          f'the vocabulary {vocabulary.path} has {vocabulary.base_size} entries'
          f' and the model {config.decoder.vocab}: use the one that the model '
          'was trained with'
      )
    self.config = config
    self.params = jax.device_put(params)
    self.vocabulary = vocabulary
    self.frames = frames
    self._keep_latents = keep_latents
    self._kept = collections.OrderedDict()  # of paths, the latest used last
    compiled = lambda function, *static: jax.jit(
        functools.partial(function, Flamingo(config)), static_argnames=static
    )
    self._encode = compiled(decoding.encode_media)
    self._features = compiled(_mean_features)
    self._read = compiled(decoding.read_prompts, 'max_new_tokens')
    limits = ('max_new_tokens', 'stop')
    self._greedy = compiled(decoding.greedy, *limits)
    self._sample = compiled(decoding.sample, *limits)
    self._beam_search = compiled(decoding.beam_search, 'beams', *limits)
    self._score = compiled(decoding.score)

  def generate(
      self,
      prompts: Prompt | Sequence[Prompt],
      *,
      max_new_tokens: int = 64,
      beams: int = 1,
      temperature: float = 0.0,
      top_k: int | None = None,
      top_p: float | None = None,
      seed: int = 0,
      batch_size: int = 8,
  ) -> str | list[str]:
    """What the model says after each prompt, up to the first <EOC>.

    Args:
      prompts: a list of parts, or a list of such lists.
      max_new_tokens: most tokens of an answer.
      beams: 1 takes the likeliest token at every step; more search for the
        likeliest answer (the paper evaluates with 3).
      temperature: above 0, tokens are drawn at random.
      top_k: draw from the likeliest `top_k` tokens only.
      top_p: draw from the fewest tokens that have this probability together.
      seed: of the draws; the i-th prompt of a list has draws of its own.
      batch_size: prompts that are decoded together.

    Returns:
      The answer without white space around it; a list for a list of prompts.

    Raises:
      UserError: an empty prompt, one that is too long, a medium that cannot be
        read, or options that make no sense.
    """
    inputs.check_options(
        max_new_tokens=max_new_tokens, beams=beams, temperature=temperature,
        top_k=top_k, top_p=top_p, batch_size=batch_size,
    )
    prompts, is_single = inputs.as_list(prompts)
    documents = self._tokenize(prompts, max_new_tokens)
    limits = {'max_new_tokens': max_new_tokens, 'stop': self.vocabulary.eoc_id}
    answers = []
    for rows, count in inputs.batches(len(documents), batch_size):
      state = self._read_batch([documents[i] for i in rows], max_new_tokens)
      if beams > 1:
        decoded = self._beam_search(self.params, *state, beams=beams, **limits)
      elif temperature > 0:
        fold = jax.vmap(jax.random.fold_in, (None, 0))
        decoded = self._sample(
            self.params, *state, fold(jax.random.key(seed), jnp.array(rows)),
            temperature=temperature, top_k=top_k or 0,
            top_p=1.0 if top_p is None else top_p, **limits,
        )
      else:
        decoded = self._greedy(self.params, *state, **limits)
      answers += self._texts(decoded)[:count]
    return answers[0] if is_single else answers

  def score(
      self,
      prompts: Prompt | Sequence[Prompt],
      candidates: Sequence[str],
      *,
      separator: str = ' ',
      close: bool = False,
      batch_size: int = 8,
  ) -> np.ndarray:
    """Log-likelihood of each candidate after each prompt (Flamingo B.1.5).

    Args:
      prompts: a list of parts, or a list of such lists.
      candidates: the same C texts for every prompt.
      separator: put between a prompt that ends with text and a candidate,
        unless there is white space: 'Output:' and 'a cat' make
        'Output: a cat'.
      close: count the <EOC> behind the candidate too. A candidate that is the
        beginning of another is otherwise never the less likely one.
      batch_size: prompts that are read together.

    Returns:
      float32 sums over the candidates' tokens, in nats: [C], or [prompts, C]
      for a list of prompts.

    Raises:
      UserError: as `generate`, and for a candidate without tokens.
    """
    inputs.check_options(batch_size=batch_size)
    prompts, is_single = inputs.as_list(prompts)
    ids = [
        inputs.tokenize_candidates(
            prompt, candidates, self.vocabulary, separator, close
        )
        for prompt in prompts
    ]
    longest = max(len(tokens) for row in ids for tokens in row)
    documents = self._tokenize(prompts, longest)
    scores = []
    for rows, count in inputs.batches(len(documents), batch_size):
      state = self._read_batch([documents[i] for i in rows], longest)
      batch = [ids[i] for i in rows]
      scores.append(self._score_batch(*state, batch, longest)[:count])
    scores = np.concatenate(scores)
    return scores[0] if is_single else scores

  @property
  def context(self) -> int:
    """How many tokens the model reads, prompt and answer together."""
    return self.config.decoder.context

  @functools.cached_property
  def sha256(self) -> str:
    """Of all weights: tells one checkpoint from another."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(self.params):
      leaf = np.asarray(leaf)
      digest.update(f'{jax.tree_util.keystr(path)} {leaf.dtype}'.encode())
      digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()

  def embed(self, media: Sequence[Media]) -> Float[np.ndarray, 'media Dv']:
    """The vision encoder's features of each medium, their mean (RICES)."""
    rows = []
    for kind, frames in (('image', 1), ('video', self.frames)):
      places = [i for i, medium in enumerate(media) if medium.kind == kind]
      for start in range(0, len(places), _MEDIA_AT_ONCE):
        chunk = places[start : start + _MEDIA_AT_ONCE]
        pixels, mask = self._pixels([media[i] for i in chunk], frames)
        found = np.asarray(self._features(self.params, pixels, mask))
        rows += zip(chunk, found)
    return np.stack([row for _, row in sorted(rows, key=lambda x: x[0])])

  def _tokenize(
      self, prompts: Sequence[Prompt], new_tokens: int
  ) -> list[TokenizedDocument]:
    documents = inputs.tokenize_prompts(prompts, self.vocabulary)
    inputs.check_lengths(documents, new_tokens, self.config.decoder.context)
    return documents

  def _read_batch(
      self, documents: Sequence[TokenizedDocument], new_tokens: int
  ) -> tuple[Float[Array, 'B V'], Cache]:
    """Logits of the next token, and the cache to go on from."""
    return self._read(
        self.params, inputs.pad_prompts(documents), self._latents(documents),
        max_new_tokens=inputs.bucket(new_tokens),
    )

  def _latents(
      self, documents: Sequence[TokenizedDocument]
  ) -> Float[Array, 'B M R Dr']:
    """The latents of the prompts' media; each medium is encoded once."""
    shape = self.config.resampler.latents, self.config.resampler.width
    table, slots = [jnp.zeros((1, *shape), self.config.dtype)], {}
    wanted = dict.fromkeys(m for d in documents for m in d.media)
    kept = [medium for medium in wanted if _file(medium) in self._kept]
    if kept:
      rows = np.zeros((inputs.bucket(len(kept)), *shape), self.config.dtype)
      rows[: len(kept)] = [self._recall(medium) for medium in kept]
      table.append(jnp.asarray(rows))
      slots |= {medium: 1 + i for i, medium in enumerate(kept)}
    for kind, frames in (('image', 1), ('video', self.frames)):
      media = [m for m in wanted if m.kind == kind and m not in slots]
      for start in range(0, len(media), _MEDIA_AT_ONCE):
        chunk = media[start : start + _MEDIA_AT_ONCE]
        first = sum(map(len, table))
        slots |= {m: first + i for i, m in enumerate(chunk)}
        pixels, mask = self._pixels(chunk, frames)
        table.append(self._encode(self.params, pixels, mask)[:, 0])
        self._keep(chunk, table[-1])
    count = inputs.bucket(max(1, *(len(d.media) for d in documents)))
    index = np.zeros((len(documents), count), np.int32)
    for row, document in enumerate(documents):
      index[row, : len(document.media)] = [slots[m] for m in document.media]
    return jnp.concatenate(table)[index]

  def _keep(
      self, media: Sequence[Media], latents: Float[Array, 'M R Dr']
  ) -> None:
    """Remembers latents of files, in the host's memory."""
    if self._keep_latents:
      found = zip(map(_file, media), np.asarray(latents))
      self._kept |= {file: row for file, row in found if file}
      while len(self._kept) > self._keep_latents:
        self._kept.popitem(last=False)

  def _recall(self, medium: Media) -> np.ndarray:
    self._kept.move_to_end(_file(medium))
    return self._kept[_file(medium)]

  def _pixels(
      self, media: Sequence[Media], frames: int
  ) -> tuple[UInt8[Array, 'n 1 T h w 3'], Bool[Array, 'n 1 T']]:
    """Pixels and mask of a few media, filled up to a power of two."""
    size = self.config.image_size
    count = inputs.bucket(len(media))
    pixels = np.zeros((count, 1, frames, size, size, 3), np.uint8)
    mask = np.zeros((count, 1, frames), bool)
    for i, medium in enumerate(media):
      pixels[i, 0], mask[i, 0] = load_frames(medium, frames, size, None)
    return jnp.asarray(pixels), jnp.asarray(mask)

  def _texts(self, decoded: decoding.Decoded) -> list[str]:
    return [
        self.vocabulary.decode(tokens[:length]).strip()
        for tokens, length in zip(
            np.asarray(decoded.tokens), np.asarray(decoded.lengths)
        )
    ]

  def _score_batch(
      self,
      logits: Float[Array, 'B V'],
      cache: Cache,
      ids: Sequence[Sequence[Sequence[int]]],
      longest: int,
  ) -> np.ndarray:
    """f32[B C], as many candidates at once as copies of the cache fit."""
    batch, count = len(ids), len(ids[0])
    copies = _SCORING_BYTES // sum(x.nbytes for x in jax.tree.leaves(cache))
    at_once = min(inputs.bucket(count), 1 << max(copies, 1).bit_length() - 1)
    shape = batch, -(-count // at_once) * at_once
    tokens = np.zeros((*shape, inputs.bucket(longest)), np.int32)
    lengths = np.ones(shape, np.int32)
    for row, candidates in enumerate(ids):
      for i, candidate in enumerate(candidates):
        tokens[row, i, : len(candidate)] = candidate
        lengths[row, i] = len(candidate)
    scores = [
        self._score(
            self.params, logits, cache,
            jnp.asarray(tokens[:, start : start + at_once]),
            jnp.asarray(lengths[:, start : start + at_once]),
        )
        for start in range(0, shape[1], at_once)
    ]
    return np.concatenate(scores, axis=1)[:, :count]


def _file(medium: Media) -> str | None:
  """The file of a medium that is one."""
  return medium.path if medium.data is None else None


def _mean_features(
    model: Flamingo,
    params: Tree,
    pixels: UInt8[Array, 'n 1 T h w 3'],
    mask: Bool[Array, 'n 1 T'],
) -> Float[Array, 'n Dv']:
  """Features of the frames that exist, their mean over frames and places."""
  features = model.apply({'params': params}, pixels, method='features')
  features = features.astype(jnp.float32).mean(axis=3)[:, 0]  # [n T Dv]
  weights = mask[:, 0, :, None]
  count = jnp.maximum(weights.sum(axis=1), 1)
  return (features * weights).sum(axis=1) / count
