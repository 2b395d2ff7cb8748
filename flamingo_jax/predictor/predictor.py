# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A model with its vocabulary: parts in, answers out."""

from collections.abc import Sequence
import dataclasses
import functools
from typing import Any

import jax
import numpy as np

from flamingo_jax import option_values
from flamingo_jax.data.dialogue import AnyDialogue, Dialogue, Message
from flamingo_jax.data.frames import TRAINING, Sampling
from flamingo_jax.data.interleaved import TokenizedDocument
from flamingo_jax.data.media import Media
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError, shown
from flamingo_jax.models import Cache, FlamingoConfig, LanguageModelConfig
from flamingo_jax.option_values import AnyNumber
from flamingo_jax.predictor import inputs
from flamingo_jax.predictor.devices import sha256
from flamingo_jax.predictor.inference import Inference
from flamingo_jax.predictor.inputs import Prompt
from flamingo_jax.predictor.reading import Reading
from flamingo_jax.predictor.session import Session
from flamingo_jax.predictor.slots import Slots
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.trained_model import answering
from flamingo_jax.typing import Float, Tree


class Predictor:
  """A model with its vocabulary; make one with `load`.

  A language model alone takes texts, and stops where it ends a document.
  """

  def __init__(
      self,
      config: FlamingoConfig | LanguageModelConfig,
      params: Tree,
      vocabulary: Vocabulary,
      *,
      partitioner: Partitioner | None = None,
      frames: AnyNumber = TRAINING.frames,
      fps: AnyNumber = TRAINING.fps,
      keep_latents: AnyNumber = 0,
      cache_media: Any = False,  # a bool
  ):
    """Places the parameters; compiles nothing yet.

    Args:
      config: the architecture.
      params: its whole tree.
      vocabulary: of its language model.
      partitioner: the mesh and the rules of where weights lie. Each part of a
        batch that they make gets `batch_size` prompts at once. Where they put
        all weights on every device, these don't change a bit of the results.
        None: the first device alone.
      frames: that are read of a video, if a call asks for no other number.
      fps: frames per second of a video, likewise; one that is longer than
        frames / fps seconds is covered evenly.
      keep_latents: of how many media the latents stay in memory, the latest
        used; for few-shot prompts, whose shots come again and again.
      cache_media: whether what is made of media is kept in the user's cache
        folder, where any later process finds it (docs/cache.md).

    Raises:
      UserError: the vocabulary is not of the architecture's size; frames or
        fps make no sense; a mesh that doesn't divide the weights.
    """
    self.config = config
    self.vocabulary = vocabulary
    self._sampling = Sampling(frames, fps)
    self._is_flamingo = isinstance(config, FlamingoConfig)
    self._tokenize_prompts = (
        inputs.tokenize_prompts if self._is_flamingo else inputs.tokenize_texts
    )
    self._inference = Inference(
        answering(config, vocabulary), params, partitioner,
        option_values.whole_number('keep_latents', keep_latents, 0),
        option_values.truth('cache_media', cache_media),
    )

  def generate(
      self,
      prompts: Prompt | Sequence[Prompt],
      *,
      max_new_tokens: AnyNumber = 64,
      beams: AnyNumber = 1,
      temperature: AnyNumber = 0.0,
      top_k: AnyNumber = None,
      top_p: AnyNumber = None,
      seed: AnyNumber = 0,
      batch_size: AnyNumber = 8,
      prefix: Any = (),  # a Prompt
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
    given = inputs.check_options(
        max_new_tokens=max_new_tokens, beams=beams, temperature=temperature,
        top_k=top_k, top_p=top_p, seed=seed, batch_size=batch_size,
    )
    sampling = self._sampling.override(frames, fps)
    prompts, is_single = inputs.as_list(prompts)
    shared, documents = self._tokenize(
        prefix, prompts, given['max_new_tokens'], sampling
    )
    texts = [
        self.vocabulary.decode(tokens[:length]).strip()
        for tokens, length, _ in self._inference.answer(
            documents, max_new_tokens=given['max_new_tokens'],
            batch_size=given['batch_size'], sampling=sampling,
            beams=given['beams'], seed=given['seed'],
            draws=inputs.draws(given, self.config.decoder.vocab),
            prefix=shared,
        )
    ]
    return texts[0] if is_single else texts

  def score(
      self,
      prompts: Prompt | Sequence[Prompt],
      candidates: Any,  # a sequence or an array of texts
      *,
      separator: Any = ' ',  # a text
      close: bool = False,
      batch_size: AnyNumber = 8,
      prefix: Any = (),  # a Prompt
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
    batch_size = inputs.check_options(batch_size=batch_size)['batch_size']
    candidates = inputs.check_candidates(candidates)
    separator = option_values.text('separator', separator)
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
    scores = self._inference.score(
        documents, ids, batch_size=batch_size, sampling=sampling, prefix=shared
    )
    return scores[0] if is_single else scores

  def read(
      self,
      prompt: Any,  # a Prompt
      *,
      max_new_tokens: AnyNumber = 64,
      near: Reading | None = None,
      frames: AnyNumber = None,
      fps: AnyNumber = None,
      document: TokenizedDocument | None = None,
  ) -> Reading:
    """Reads a prompt, for any number of answers and of longer prompts.

    Args:
      prompt: a list of parts.
      max_new_tokens: most tokens of an answer to it.
      near: another reading. Tokens that both prompts begin with are not read
        again if all media that they see have the same content.
      frames: as of `generate`.
      fps: as of `generate`.
      document: what `tokenize` has made of the prompt; None: nothing yet.

    Raises:
      UserError: as `generate`.
    """
    room = inputs.check_options(max_new_tokens=max_new_tokens)['max_new_tokens']
    prompt = inputs.as_one(prompt)
    document = document or self.tokenize(prompt)
    inputs.check_lengths([document], room, self.context)
    sampling = self._sampling.override(frames, fps)
    reading = self._inference.read(document, sampling, room, near)
    return dataclasses.replace(reading, prompt=tuple(prompt))

  def look_ahead(self, prompt: Sequence[Any]) -> None:
    """Has a device begin with the last medium of what will be `read` next."""
    self._inference.look_ahead(prompt, self._sampling)

  def tokenize(self, prompt: Any) -> TokenizedDocument:
    """The tokens of a prompt, and which medium each of them sees."""
    prompt = inputs.as_one(prompt)
    self._check_texts(prompt)
    return self._tokenize_prompts([prompt], self.vocabulary)[0]

  def score_read(
      self, reading: Reading, candidates: Any, *, separator: Any = ' ',
      close: bool = False,
  ) -> Float[np.ndarray, 'C']:
    """`score` after a prompt that has been read."""
    ids = inputs.tokenize_candidates(
        reading.prompt, inputs.check_candidates(candidates), self.vocabulary,
        option_values.text('separator', separator), close,
    )
    longest = max(map(len, ids))
    inputs.check_lengths([reading.document], longest, self.context)
    if reading.length + longest > reading.room:
      reading = self._inference.read(
          reading.document, reading.sampling, longest, reading
      )
    return self._inference.score_read(reading, ids)

  @property
  def dialogue(self) -> AnyDialogue:
    """How the model's makers write who speaks, for sessions."""
    return Dialogue.of(self.vocabulary, self._is_flamingo)

  def session(
      self, prefix: Any = (), *, dialogue: AnyDialogue | None = None,
      turns: Sequence[Message] = (), frames: AnyNumber = None,
      fps: AnyNumber = None,
  ) -> Session:
    """A conversation, of which only what is new is read.

    Args:
      prefix: parts in front of all that is said, such as shots.
      dialogue: who speaks is written as it says; None: parts stand as they are
        given, and answers behind them.
      turns: what has been said before.
      frames: as of `generate`.
      fps: as of `generate`.

    Raises:
      UserError: no list of parts, or frames or fps that make no sense.
    """
    self._sampling.override(frames, fps)
    return Session(
        self, inputs.check_prefix(prefix), dialogue, turns, frames=frames,
        fps=fps,
    )

  def slots(
      self, like: Reading, *, count: AnyNumber = 8, alternatives: AnyNumber = 0
  ) -> Slots:
    """Rows for answers that are written side by side (continuous batching).

    Args:
      like: a prompt that has been read; the rows are for prompts of its shape.
      count: rows.
      alternatives: how many of the likeliest tokens are told in each place.
    """
    return self._inference.slots(
        like, option_values.whole_number('count', count, 1),
        option_values.whole_number(
            'alternatives', alternatives, 0, self.config.decoder.vocab
        ),
    )

  def check_sees_media(self) -> None:
    """Whether it is a Flamingo; UserError if a language model alone."""
    self._inference.seeing()

  def forget(self) -> None:
    """Frees the memory of what is kept for later calls."""
    self._inference.forget()

  @property
  def params(self) -> Tree:
    """The whole tree, where the partitioner puts it."""
    return self._inference.params

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
    return sha256(self.params)

  def embed(
      self, media: Any, *, frames: AnyNumber = None, fps: AnyNumber = None,
  ) -> Float[np.ndarray, 'media Dv']:
    """The vision encoder's features of each medium, their mean (RICES).

    Raises:
      UserError: no list of at least one medium, or one that cannot be read.
    """
    media = inputs.check_media(media)
    return self._inference.features(media, self._sampling.override(frames, fps))

  def _tokenize(
      self, prefix: Any, prompts: Sequence[Prompt], new_tokens: int,
      sampling: Sampling,
  ) -> tuple[Cache | None, Sequence[TokenizedDocument]]:
    """The cache of the prefix, and the documents behind it."""
    prefix = inputs.check_prefix(prefix)
    for prompt in (prefix, *prompts):
      self._check_texts(prompt)
    documents = self._tokenize_prompts(
        [[*prefix, *prompt] for prompt in prompts], self.vocabulary
    )
    inputs.check_lengths(documents, new_tokens, self.context)
    return self._read_prefix(prefix, prompts, documents, sampling)

  def _check_texts(self, prompt: Prompt) -> None:
    """Whether no text holds an entry that a part stands for; else UserError.

    It would be read as letters, where its maker's code takes it for the entry.
    """
    for part in prompt:
      for text in self.vocabulary.given_texts if isinstance(part, str) else ():
        if text in part:
          raise UserError(
              f'{shown(part)} holds {text!r}, which no text can stand for: give '
              'pictures as fj.image(...) and the end of a chunk as '
              'fj.END_OF_CHUNK'
          )

  def _read_prefix(
      self, prefix: Prompt, prompts: Sequence[Prompt],
      documents: Sequence[TokenizedDocument], sampling: Sampling,
  ) -> tuple[Cache | None, Sequence[TokenizedDocument]]:
    """A cache of the prefix, and what is left of the documents.

    None and the documents whole where text may see media of the prefix: where
    a prompt does not begin with its own, or text sees all so far, or the last
    one of the prefix with the first one of a prompt.
    """
    begins = all(isinstance(prompt[0], Media) for prompt in prompts)
    shares = self._is_flamingo and self.config.shares_prefixes
    if not (prefix and begins and shares) or (
        self.config.decoder.block.groups_media and isinstance(prefix[-1], Media)
    ):
      return None, documents
    first, rest = inputs.split_prefix(documents, prefix)
    return self._inference.read_prefix(first, sampling), rest
