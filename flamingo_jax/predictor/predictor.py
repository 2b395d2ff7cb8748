# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A model with its vocabulary: parts in, answers out."""

from collections.abc import Sequence
import functools
import hashlib

import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax import decoding
from flamingo_jax.data.frames import TRAINING, AnyNumber, Sampling
from flamingo_jax.data.interleaved import TokenizedDocument
from flamingo_jax.data.media import Media
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models import Cache, FlamingoConfig
from flamingo_jax.predictor import inputs
from flamingo_jax.predictor import programs
from flamingo_jax.predictor.devices import Devices
from flamingo_jax.predictor.inputs import Prompt
from flamingo_jax.predictor.media_encoder import MediaEncoder, content
from flamingo_jax.typing import Float, Tree

_SCORING_BYTES = 2**30  # on a device, for candidates' copies of the cache


class Predictor:
  """A model with its vocabulary; make one with `load`."""

  def __init__(
      self,
      config: FlamingoConfig,
      params: Tree,
      vocabulary: Vocabulary,
      frames: AnyNumber = TRAINING.frames,
      keep_latents: int = 0,
      devices: Sequence[jax.Device] | None = None,
      fps: AnyNumber = TRAINING.fps,
  ):
    """Moves the parameters to the devices; compiles nothing yet.

    Args:
      config: the architecture.
      params: its whole tree.
      vocabulary: of its language model.
      frames: that are read of a video, if a call asks for no other number.
      keep_latents: of how many media the latents stay in memory, the latest
        used; for few-shot prompts, whose shots come again and again.
      devices: that each get `batch_size` prompts at once; they don't change a
        bit of the results. None: the first one.
      fps: frames per second of a video, likewise; one that is longer than
        frames / fps seconds is covered evenly.

    Raises:
      UserError: the vocabulary is not of the architecture's size; frames or
        fps make no sense.
    """
    if vocabulary.base_size != config.decoder.vocab:
      raise UserError(
          f'the vocabulary {vocabulary.path} has {vocabulary.base_size} entries'
          f' and the model {config.decoder.vocab}: use the one that the model '
          'was trained with'
      )
    self.config = config
    self._devices = Devices(devices or jax.local_devices()[:1])
    self.params = self._devices.replicate(params)
    self.vocabulary = vocabulary
    self._sampling = Sampling(frames, fps)
    self._encoder = MediaEncoder(config, keep_latents, self._devices)
    self._prefix = None, None  # what the last one was, and its cache
    compiled = lambda program, *static, **options: self._devices.compile(
        functools.partial(program, config.build()), *static, **options
    )
    limits = ('room', 'max_new_tokens', 'stop')
    self._read = compiled(programs.read_prefix, splits=False)
    self._greedy = compiled(programs.greedy, *limits)
    self._sample = compiled(programs.sample, *limits)
    self._beam_search = compiled(programs.beam_search, 'beams', *limits)
    self._score = compiled(programs.score, 'room', 'at_once')

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
      prefix: Prompt = (),
      frames: AnyNumber = None,
      fps: AnyNumber = None,
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
      batch_size: prompts that are decoded together on each device.
      prefix: parts in front of every prompt, such as the shots of all. They are
        read once, also for later calls with the same texts and contents of
        files and arrays, if each prompt begins with a medium.
      frames: that are read of a video; None: as many as the model was loaded
        with.
      fps: frames per second of a video, likewise. One that is longer than
        frames / fps seconds is covered evenly (the paper evaluates with 30
        frames at 3 per second).

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
    sampling = self._sampling.override(frames, fps)
    prompts, is_single = inputs.as_list(prompts)
    shared, documents = self._tokenize(
        prefix, prompts, max_new_tokens, sampling
    )
    limits = {
        'room': inputs.bucket(max_new_tokens),
        'max_new_tokens': max_new_tokens, 'stop': self.vocabulary.eoc_id,
    }
    answers = [''] * len(documents)
    for rows, count in inputs.batches(
        documents, batch_size, self._devices.count
    ):
      batch = self._rows([documents[i] for i in rows], sampling)
      if beams > 1:
        decoded = self._beam_search(
            self.params, shared, batch, beams=beams, **limits
        )
      elif temperature > 0:
        fold = jax.vmap(jax.random.fold_in, (None, 0))
        keys = fold(jax.random.key(seed), jnp.array(rows))
        options = {
            'temperature': temperature, 'top_k': top_k or 0,
            'top_p': 1.0 if top_p is None else top_p,
        }
        decoded = self._sample(
            self.params, (shared, options), (batch, keys), **limits
        )
      else:
        decoded = self._greedy(self.params, shared, batch, **limits)
      for row, text in zip(rows[:count], self._texts(decoded)):
        answers[row] = text
    return answers[0] if is_single else answers

  def score(
      self,
      prompts: Prompt | Sequence[Prompt],
      candidates: Sequence[str],
      *,
      separator: str = ' ',
      close: bool = False,
      batch_size: int = 8,
      prefix: Prompt = (),
      frames: AnyNumber = None,
      fps: AnyNumber = None,
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
      batch_size: prompts that each device is given at once; it doesn't change a
        bit of the scores.
      prefix: as of `generate`.
      frames: as of `generate`.
      fps: as of `generate`.

    Returns:
      float32 sums over the candidates' tokens, in nats: [C], or [prompts, C]
      for a list of prompts.

    Raises:
      UserError: as `generate`, and for a candidate without tokens.
    """
    inputs.check_options(batch_size=batch_size)
    sampling = self._sampling.override(frames, fps)
    prompts, is_single = inputs.as_list(prompts)
    ids = [
        inputs.tokenize_candidates(
            prompt, candidates, self.vocabulary, separator, close
        )
        for prompt in prompts
    ]
    longest = max(len(tokens) for row in ids for tokens in row)
    shared, documents = self._tokenize(prefix, prompts, longest, sampling)
    scores = np.zeros((len(prompts), len(candidates)), np.float32)
    for rows, count in inputs.batches(
        documents, batch_size, self._devices.count
    ):
      batch = self._rows([documents[i] for i in rows], sampling)
      found = self._score_batch(shared, batch, [ids[i] for i in rows], longest)
      scores[rows[:count]] = found[:count]
    return scores[0] if is_single else scores

  def forget(self) -> None:
    """Frees the memory of what is kept for later calls."""
    self._encoder.forget()
    self._prefix = None, None

  @property
  def context(self) -> int:
    """How many tokens the model reads, prompt and answer together."""
    return self.config.decoder.context

  @property
  def frames(self) -> int:
    """How many are read of a video, if a call asks for no other number."""
    return self._sampling.frames

  @property
  def fps(self) -> float:
    """Frames per second of a video, likewise."""
    return self._sampling.fps

  @functools.cached_property
  def sha256(self) -> str:
    """Of all weights: tells one checkpoint from another."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(self.params):
      leaf = np.asarray(leaf)
      digest.update(f'{jax.tree_util.keystr(path)} {leaf.dtype}'.encode())
      digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()

  def embed(
      self, media: Sequence[Media], *, frames: AnyNumber = None,
      fps: AnyNumber = None,
  ) -> Float[np.ndarray, 'media Dv']:
    """The vision encoder's features of each medium, their mean (RICES)."""
    return self._encoder.features(
        self.params, media, self._sampling.override(frames, fps)
    )

  def _tokenize(
      self, prefix: Prompt, prompts: Sequence[Prompt], new_tokens: int,
      sampling: Sampling,
  ) -> tuple[Cache | None, Sequence[TokenizedDocument]]:
    """The cache of the prefix, and the documents behind it."""
    if prefix:
      (prefix,), _ = inputs.as_list([prefix])
    documents = inputs.tokenize_prompts(
        [[*prefix, *prompt] for prompt in prompts], self.vocabulary
    )
    inputs.check_lengths(documents, new_tokens, self.context)
    return self._read_prefix(prefix, prompts, documents, sampling)

  def _read_prefix(
      self,
      prefix: Prompt,
      prompts: Sequence[Prompt],
      documents: Sequence[TokenizedDocument],
      sampling: Sampling,
  ) -> tuple[Cache | None, Sequence[TokenizedDocument]]:
    """A cache of the prefix, and what is left of the documents.

    None and the documents whole where text may see media of the prefix: where
    a prompt does not begin with its own, or text sees all so far.
    """
    begins = all(isinstance(prompt[0], Media) for prompt in prompts)
    if not (prefix and begins and self.config.shares_prefixes):
      return None, documents
    first, rest = inputs.split_prefix(documents, prefix)
    key = first.tokens.tobytes(), tuple(map(content, first.media)), sampling
    if self._prefix[0] != key:
      self._prefix = None, None  # its memory goes before the next one comes
      self._prefix = key, self._read(
          self.params, None,
          (inputs.whole_prompt(first), self._latents([first], sampling)),
      )
    return self._prefix[1], rest

  def _rows(
      self, documents: Sequence[TokenizedDocument], sampling: Sampling
  ) -> tuple[decoding.Prompts, np.ndarray]:
    """What a program reads: documents of one shape, and their latents."""
    return inputs.pad_prompts(documents), self._latents(documents, sampling)

  def _latents(
      self, documents: Sequence[TokenizedDocument], sampling: Sampling
  ) -> Float[np.ndarray, 'B M R Dr']:
    """The latents of the documents' media; each medium is encoded once."""
    wanted = dict.fromkeys(m for d in documents for m in d.media)
    found = self._encoder.latents(self.params, wanted, sampling)
    resampler = self.config.resampler
    return inputs.pad_latents(
        documents, found, (resampler.latents, resampler.width),
        self.config.dtype,
    )

  def _texts(self, decoded: decoding.Decoded) -> list[str]:
    return [
        self.vocabulary.decode(tokens[:length]).strip()
        for tokens, length in zip(
            np.asarray(decoded.tokens), np.asarray(decoded.lengths)
        )
    ]

  def _score_batch(
      self,
      prefix: Cache | None,
      rows: tuple[decoding.Prompts, np.ndarray],
      ids: Sequence[Sequence[Sequence[int]]],
      longest: int,
  ) -> Float[np.ndarray, 'B C']:
    """As many candidates at once as copies of the cache fit."""
    count, room = len(ids[0]), inputs.bucket(longest)
    decoder = self.config.decoder
    positions = rows[0].tokens.shape[1] + room
    copy = decoder.layers * positions * decoder.heads * decoder.head_size
    copy *= 2 * jnp.dtype(self.config.dtype).itemsize  # keys and values
    copies = _SCORING_BYTES // copy
    at_once = min(inputs.bucket(count), 1 << max(copies, 1).bit_length() - 1)
    shape = len(ids), -(-count // at_once) * at_once
    tokens = np.zeros((*shape, room), np.int32)
    lengths = np.ones(shape, np.int32)
    for row, candidates in enumerate(ids):
      for i, candidate in enumerate(candidates):
        tokens[row, i, : len(candidate)] = candidate
        lengths[row, i] = len(candidate)
    scores = self._score(
        self.params, prefix, (rows, tokens, lengths), room=room,
        at_once=at_once,
    )
    return np.asarray(scores)[:, :count]
