# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A model on a mesh: tokenized prompts in, tokens and likelihoods out."""

from collections.abc import Iterator, Sequence
import dataclasses
import functools
from typing import Any

import jax
import numpy as np

from flamingo_jax import decoding
from flamingo_jax.data.frames import Sampling
from flamingo_jax.data.interleaved import TokenizedDocument
from flamingo_jax.data.media import Media
from flamingo_jax.errors import UserError
from flamingo_jax.models import Cache
from flamingo_jax.predictor import inputs
from flamingo_jax.predictor import programs
from flamingo_jax.predictor import reading
from flamingo_jax.predictor import shapes
from flamingo_jax.predictor.candidates import Trees
from flamingo_jax.predictor.devices import Devices, fetch
from flamingo_jax.predictor.media_encoder import MediaEncoder, content
from flamingo_jax.predictor.reading import Reading
from flamingo_jax.predictor.slots import Slots
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import abstract_params
from flamingo_jax.training.trainable import merge_params
from flamingo_jax.training.trained_model import FlamingoModel, LanguageModel
from flamingo_jax.typing import Array, Float, Int, Tree

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
      cache_media: bool = False,
  ):
    """Places the parameters; compiles nothing yet.

    Args:
      model: whose parameters they are.
      params: the whole tree; None: `params` is set before the first call.
      partitioner: the mesh and the rules of where weights lie; None: the first
        device alone.
      keep_latents: of how many media the latents stay in memory, the latest
        used.
      cache_media: whether they are kept on disk too.

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
    self._model = model.module
    self._config = model.config
    self._stop, self._never = model.vocabulary.eos_id, ()
    self._groups = model.config.decoder.block.groups_media
    # Of a language model there are none.
    self._sees_earlier = not getattr(model.config, 'shares_prefixes', True)
    self._encoder, self._latents = None, (1, 1)
    if isinstance(model, FlamingoModel):
      self._stop = model.vocabulary.eoc_id
      self._never = tuple(model.vocabulary.given_ids)
      self._encoder = MediaEncoder(
          model.config, keep_latents, cache_media, self._devices
      )
      self._latents = (
          model.config.resampler.latents, model.config.resampler.width
      )
    # In place of a medium.
    self._nothing = np.zeros((1, *self._latents), model.config.dtype)
    self._prefix = None, None  # what the last one was, and its cache
    compiled = lambda program, *static, **options: self._devices.compile(
        program, model.module, *static, **options
    )
    limits = ('room', 'stop', 'never')
    alone = functools.partial(compiled, splits=False)
    self._read_prefix = alone(programs.read_prefix)
    self._read, self._read_on = (
        alone(programs.read, 'room'), alone(programs.read_on)
    )
    self._score_read = alone(programs.score_read)
    self._greedy = compiled(programs.greedy, *limits)
    self._sample = compiled(programs.sample, *limits)
    self._beam_search = compiled(programs.beam_search, 'beams', *limits)
    self._score = compiled(programs.score, 'room', 'groups')

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
      shape: shapes.Shape | None = None,
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
          self.params, shared, rows, room=shapes.answer_room(max_new_tokens),
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
      shape: shapes.Shape | None = None,
  ) -> Float[np.ndarray, 'B C']:
    """Log-likelihoods of C candidates after each prompt, in nats.

    Args:
      documents: the prompts.
      candidates: tokens of each prompt's; where it has fewer than C, scores of
        the rest mean nothing.
      batch_size: see above.
      sampling: see above.
      prefix: from `read_prefix`.
      shape: see above.
    """
    trees = Trees(candidates)
    scores = np.zeros((len(documents), trees.count), np.float32)
    for numbers, real in self._batches(documents, batch_size, shape):
      rows = self._rows([documents[i] for i in numbers], sampling, shape)
      at_once = shapes.rows_at_once(  # where every batch is of one shape
          len(numbers) // self.parts, shape[0] + trees.read
      ) if shape else 1
      found = fetch(self._score(
          self.params, prefix, (rows, trees.arrays(numbers)),
          room=shapes.bucket(trees.longest),
          groups=self._devices.groups * at_once,
      ))
      scores[numbers[:real]] = trees.sums(numbers[:real], found[:real])
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
      self._prefix = key, self._read_prefix(self.params, None, rows)
    return self._prefix[1]

  def read(
      self, document: TokenizedDocument, sampling: Sampling, new_tokens: int,
      near: Reading | None = None,
  ) -> Reading:
    """Reads a prompt, from where it parts from one that has been read.

    Args:
      document: the prompt.
      sampling: see above.
      new_tokens: how many may follow it.
      near: what has been read; None: nothing.
    """
    context, groups = self._config.decoder.context, self._groups
    contents = tuple(map(content, document.media))
    length = len(document.tokens) + new_tokens
    room = shapes.cache_room(min(length, context), context)
    start, known, cache = 0, (), None
    if near and near.sampling == sampling:
      known = near.latents[: reading.common(contents, near.contents)]
      if near.room >= room:
        start, room = near.alike(document, contents), near.room
        cache = near.cache
        if start == len(document.tokens) == near.length:
          return dataclasses.replace(near, document=document)
        # The prompt's next token depends on its last one.
        start = min(start, len(document.tokens) - 1)
    latents = self._latents_of(document.media, known, sampling)
    for part in reading.parts(
        document, start, room, context, self._sees_earlier, groups
    ):
      prompts = reading.as_prompts(document, part, groups)
      *seen, last = latents[part.first : part.last] or (self._nothing,)
      media = shapes.media_room(len(seen) + 1, part.room, self._latents[0])
      padded = np.zeros((1, media, *self._latents), self._config.dtype)
      if seen:
        padded[0, : len(seen)] = np.concatenate(seen)
      rows = (prompts, padded), (last, np.array([len(seen)], np.int32))
      if part.start:
        at = np.array([part.start], np.int32)
        logits, cache = self._read_on(self.params, cache, (*rows, at))
      else:
        logits, cache = self._read(self.params, None, rows, room=room)
    return Reading(document, contents, latents, sampling, logits, cache)

  def look_ahead(self, prompt: Sequence[Any], sampling: Sampling) -> None:
    """Begins to encode the last medium of a prompt, without waiting for it."""
    media = [part for part in prompt if isinstance(part, Media)]
    if media and self._encoder and self._encoder.keeps:
      self._encoder.start(self.params, media[-1], sampling)

  def score_read(
      self, prompt: Reading, candidates: Sequence[Sequence[int]]
  ) -> Float[np.ndarray, 'C']:
    """Log-likelihoods of candidates after a prompt that has been read."""
    trees = Trees([candidates])
    found = self._score_read(
        self.params, (prompt.logits, prompt.cache), trees.arrays([0])
    )
    return trees.sums([0], fetch(found))[0]

  def slots(self, like: Reading, count: int, alternatives: int) -> Slots:
    """Rows for answers to prompts of one shape; see `Predictor.slots`."""
    return Slots(
        self._model, self.params, self._devices, like, count=count,
        alternatives=alternatives, stop=self._stop, never=self._never,
    )

  def features(
      self, media: Sequence[Media], sampling: Sampling
  ) -> Float[np.ndarray, 'media Dv']:
    """The vision encoder's features of each medium, their mean."""
    return self.seeing().features(self.params, media, sampling)

  def forget(self) -> None:
    """Frees the memory of what is kept for later calls."""
    if self._encoder:
      self._encoder.forget()
    self._prefix = None, None

  def _latents_of(
      self, media: Sequence[Media], known: Sequence[Array | np.ndarray],
      sampling: Sampling,
  ) -> tuple[Float[Array | np.ndarray, '1 R Dr'], ...]:
    """Of each medium, of which the first ones are known.

    The device may still be at the last one.
    """
    if len(known) == len(media):
      return tuple(known)
    encoder, (*rest, last) = self.seeing(), media[len(known) :]
    found = {}
    if rest:
      found = encoder.latents(self.params, dict.fromkeys(rest), sampling)
    return (
        *known, *(found[medium][None] for medium in rest),
        encoder.start(self.params, last, sampling),
    )

  def seeing(self) -> MediaEncoder:
    """What encodes media; UserError of a language model."""
    if self._encoder is None:
      raise UserError(
          'a language model alone sees no images or videos: leave them out, or '
          'load a Flamingo'
      )
    return self._encoder

  def _shape(self, document: TokenizedDocument) -> shapes.Shape:
    return shapes.row_shape(
        document, self._config.decoder.context, self._latents[0]
    )

  def _batches(
      self, documents: Sequence[TokenizedDocument], batch_size: int,
      shape: shapes.Shape | None,
  ) -> Iterator[tuple[list[int], int]]:
    """See `shapes.batches`."""
    return shapes.batches(
        [shape or self._shape(document) for document in documents], batch_size,
        self._devices.count, is_full=shape is not None,
    )

  def _rows(
      self, documents: Sequence[TokenizedDocument], sampling: Sampling,
      shape: shapes.Shape | None,
  ) -> tuple[decoding.Prompts, Float[np.ndarray, 'B M R Dr']]:
    """What a program reads of documents of one shape.

    Each medium is encoded once.
    """
    tokens, media = shape or self._shape(documents[0])
    wanted = dict.fromkeys(m for d in documents for m in d.media)
    found = {}
    if wanted:
      found = self.seeing().latents(self.params, wanted, sampling)
    prompts = inputs.pad_prompts(documents, tokens, self._groups)
    return prompts, inputs.pad_latents(
        documents, found, (media, *self._latents), self._config.dtype,
    )
