# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A model on a mesh: tokenized prompts in, tokens and likelihoods out."""

from collections.abc import Iterator, Sequence
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax import decoding
from flamingo_jax.data.frames import Sampling
from flamingo_jax.data.interleaved import TokenizedDocument
from flamingo_jax.data.media import Media
from flamingo_jax.errors import UserError
from flamingo_jax.models import Cache
from flamingo_jax.predictor import inputs
from flamingo_jax.predictor import programs
from flamingo_jax.predictor.devices import Devices, fetch
from flamingo_jax.predictor.media_encoder import MediaEncoder, content
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import abstract_params
from flamingo_jax.training.trainable import merge_params
from flamingo_jax.training.trained_model import FlamingoModel, LanguageModel
from flamingo_jax.typing import Float, Int, Tree

_SCORING_BYTES = 2**30  # on a device, for candidates' copies of the cache

# Tokens of an answer, padded with <EOC>; how many come before it; its
# log-probability.
Answer = tuple[Int[np.ndarray, 'n'], Any, Any]


class Inference:
  """The one place where a Flamingo answers.

  In every call `batch_size` is the number of prompts that each part of the
  mesh's batches works on at once, `sampling` how videos are read, and `shape`
  the tokens and media that every row has room for; None: as few shapes as do
  for all lengths.

  Attributes:
    params: the whole tree, where the partitioner puts it. Those of another step
      may take their place, if `forget` is called too.
    parts: that the prompts of a batch are split into.
  """

  def __init__(
      self,
      model: FlamingoModel | LanguageModel,
      params: Tree | None,
      partitioner: Partitioner | None,
      keep_latents: int,
  ):
    """Places the parameters; compiles nothing yet.

    Args:
      model: whose parameters they are.
      params: the whole tree; None: `params` is set before the first call.
      partitioner: the mesh and the rules of where weights lie; None: the first
        device alone.
      keep_latents: of how many media the latents stay in memory, the latest
        used.

    Raises:
      UserError: a mesh that doesn't divide the weights.
    """
    partitioner = partitioner or Partitioner(devices=jax.local_devices()[:1])
    weights = merge_params(*abstract_params(model, partitioner))
    self._devices = Devices(
        partitioner, jax.tree.map(lambda leaf: leaf.sharding, weights)
    )
    self.params = params and self._devices.place(params)
    self.parts = self._devices.count
    self._config = model.config
    self._stop, self._never = model.vocabulary.eos_id, ()
    self._encoder, self._latents = None, (1, 1)
    if isinstance(model, FlamingoModel):
      self._stop = model.vocabulary.eoc_id
      self._never = tuple(model.vocabulary.given_ids)
      self._encoder = MediaEncoder(model.config, keep_latents, self._devices)
      self._latents = (
          model.config.resampler.latents, model.config.resampler.width
      )
    self._prefix = None, None  # what the last one was, and its cache
    compiled = lambda program, *static, **options: self._devices.compile(
        program, model.module, *static, **options
    )
    limits = ('room', 'stop', 'never')
    self._read = compiled(programs.read_prefix, splits=False)
    self._greedy = compiled(programs.greedy, *limits)
    self._sample = compiled(programs.sample, *limits)
    self._beam_search = compiled(programs.beam_search, 'beams', *limits)
    self._score = compiled(programs.score, 'room', 'at_once', 'groups')

  def answer(
      self,
      documents: Sequence[TokenizedDocument],
      *,
      max_new_tokens: int,
      batch_size: int,
      sampling: Sampling,
      beams: int = 1,
      draws: dict[str, float | int] | None = None,
      seed: int = 0,
      prefix: Cache | None = None,
      shape: inputs.Shape | None = None,
  ) -> list[Answer]:
    """What the model says after each prompt, up to the first <EOC>.

    Args:
      documents: the prompts.
      max_new_tokens: most tokens of an answer.
      batch_size: see above.
      sampling: see above.
      beams: 1 takes the likeliest token at every step.
      draws: draws tokens instead, with these options of `decoding.sample`.
      seed: of the draws; the i-th prompt has draws of its own.
      prefix: from `read_prefix`.
      shape: see above.
    """
    shared = prefix, np.int32(max_new_tokens)
    if beams > 1:
      program = functools.partial(self._beam_search, beams=beams)
    elif draws:
      program, shared = self._sample, (*shared, jax.random.key(seed), draws)
    else:
      program = self._greedy
    answers: list[Any] = [None] * len(documents)
    for numbers, count in self._batches(documents, batch_size, shape):
      rows = self._rows([documents[i] for i in numbers], sampling, shape)
      if draws:
        rows = rows, np.array(numbers, np.int32)
      decoded = program(
          self.params, shared, rows, room=inputs.answer_room(max_new_tokens),
          stop=self._stop, never=self._never,
      )
      found = map(fetch, (decoded.tokens, decoded.lengths, decoded.log_probs))
      for number, answer in zip(numbers[:count], zip(*found)):
        answers[number] = answer
    return answers

  def score(
      self,
      documents: Sequence[TokenizedDocument],
      candidates: Sequence[Sequence[Sequence[int]]],
      *,
      batch_size: int,
      sampling: Sampling,
      prefix: Cache | None = None,
      shape: inputs.Shape | None = None,
  ) -> Float[np.ndarray, 'B C']:
    """Log-likelihoods of C candidates after each prompt, in nats.

    As many candidates are read at once as copies of the cache fit.

    Args:
      documents: the prompts.
      candidates: tokens of each prompt's; where it has fewer than C, scores of
        the rest mean nothing.
      batch_size: see above.
      sampling: see above.
      prefix: from `read_prefix`.
      shape: see above.
    """
    count = max(map(len, candidates))
    room = inputs.bucket(max(len(ids) for row in candidates for ids in row))
    scores = np.zeros((len(documents), count), np.float32)
    for numbers, real in self._batches(documents, batch_size, shape):
      rows = self._rows([documents[i] for i in numbers], sampling, shape)
      copies = _SCORING_BYTES // self._cache_bytes(rows[0], room)
      at_once = min(inputs.bucket(count), 1 << max(copies, 1).bit_length() - 1)
      padded = len(numbers), -(-count // at_once) * at_once
      tokens = np.zeros((*padded, room), np.int32)
      lengths = np.ones(padded, np.int32)
      for row, number in enumerate(numbers):
        for i, ids in enumerate(candidates[number]):
          tokens[row, i, : len(ids)] = ids
          lengths[row, i] = len(ids)
      found = fetch(self._score(
          self.params, prefix, (rows, tokens, lengths), room=room,
          at_once=at_once, groups=self._devices.groups,
      ))
      scores[numbers[:real]] = found[:real, :count]
    return scores

  def read_prefix(
      self, document: TokenizedDocument, sampling: Sampling
  ) -> Cache:
    """A cache of what prompts begin with; the last one is kept.

    Args:
      document: the prefix.
      sampling: see above.
    """
    key = (
        document.tokens.tobytes(), tuple(map(content, document.media)), sampling
    )
    if self._prefix[0] != key:
      self._prefix = None, None  # its memory goes before the next one comes
      shape = len(document.tokens), self._shape(document)[1]
      rows = self._rows([document], sampling, shape)
      self._prefix = key, self._read(self.params, None, rows)
    return self._prefix[1]

  def features(
      self, media: Sequence[Media], sampling: Sampling
  ) -> Float[np.ndarray, 'media Dv']:
    """The vision encoder's features of each medium, their mean."""
    return self._seeing().features(self.params, media, sampling)

  def forget(self) -> None:
    """Frees the memory of what is kept for later calls."""
    if self._encoder:
      self._encoder.forget()
    self._prefix = None, None

  def _seeing(self) -> MediaEncoder:
    """What encodes media; UserError of a language model."""
    if self._encoder is None:
      raise UserError(
          'a language model alone sees no images or videos: leave them out, or '
          'load a Flamingo'
      )
    return self._encoder

  def _shape(self, document: TokenizedDocument) -> inputs.Shape:
    return inputs.row_shape(
        document, self._config.decoder.context, self._latents[0]
    )

  def _batches(
      self, documents: Sequence[TokenizedDocument], batch_size: int,
      shape: inputs.Shape | None,
  ) -> Iterator[tuple[list[int], int]]:
    """See `inputs.batches`."""
    shapes = [shape or self._shape(document) for document in documents]
    return inputs.batches(
        shapes, batch_size, self._devices.count, is_full=shape is not None
    )

  def _rows(
      self, documents: Sequence[TokenizedDocument], sampling: Sampling,
      shape: inputs.Shape | None,
  ) -> tuple[decoding.Prompts, Float[np.ndarray, 'B M R Dr']]:
    """What a program reads of documents of one shape.

    Each medium is encoded once.
    """
    tokens, media = shape or self._shape(documents[0])
    wanted = dict.fromkeys(m for d in documents for m in d.media)
    found = {}
    if wanted:
      found = self._seeing().latents(self.params, wanted, sampling)
    groups = self._config.decoder.block.groups_media
    return inputs.pad_prompts(documents, tokens, groups), inputs.pad_latents(
        documents, found, (media, *self._latents), self._config.dtype,
    )

  def _cache_bytes(self, prompts: decoding.Prompts, room: int) -> int:
    """What a candidate's copy of the cache takes."""
    decoder = self._config.decoder
    entries = decoder.layers * (prompts.tokens.shape[1] + room)
    entries *= decoder.kv_heads * decoder.head_size
    return 2 * entries * jnp.dtype(self._config.dtype).itemsize
