# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a run trains: Flamingo, or a tower it is built on."""

from collections.abc import Mapping
import functools
import math
from typing import Any

from flax import linen as nn
from flax import traverse_util
import jax
import jax.extend
import jax.numpy as jnp
import optax

from flamingo_jax import models, sharding
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models import int8
from flamingo_jax.models.vision import is_tiled, picture_size
from flamingo_jax.picture_size import FrameSize
from flamingo_jax.training.losses import contrastive_loss, same_rows
from flamingo_jax.training.next_token_loss import next_token_loss
from flamingo_jax.training.trainable import (
    is_trainable,
    is_update,
    merge_params,
    split_params,
)
from flamingo_jax.typing import Array, Tree

# A flat batch: '<dataset>/<feature>' -> [B, k_d, ...]; arrays, or their shapes.
Batch = Mapping[str, Any]


class TrainedModel:
  """A network together with what training it needs.

  Attributes:
    config: the architecture; `to_dict` is what model.json says.
    module: the network.
    vocabulary: of its texts.
    optimizer: updates the trainable tree; None if nothing is trained.
    additive: whether the losses of a batch's parts add up to the batch's.
    likelihood: whether exp(loss) is a perplexity.
  """

  additive = True
  likelihood = True

  def __init__(
      self,
      config: Any,
      vocabulary: Vocabulary,
      optimizer_def: optax.GradientTransformation | None,
  ):
    """Checks that the parts fit.

    Args:
      config: the architecture.
      vocabulary: of the texts; a Flamingo's with <EOC> added.
      optimizer_def: updates the trainable tree; None if nothing is trained.

    Raises:
      UserError: the model's table of words has another size.
    """
    self.module, entries = self._build(config)
    if vocabulary.base_size != entries:
      raise UserError(
          f'the vocabulary {vocabulary.path} has {vocabulary.base_size} '
          f'entries and the language model {entries}: give the '
          'vocabulary that the language model was trained with'
      )
    if isinstance(self.module.config, models.FlamingoConfig) and (
        len(vocabulary.added) != config.decoder.added
    ):
      raise UserError(
          f'the vocabulary {vocabulary.path} adds {len(vocabulary.added)} '
          f'entries ({", ".join(vocabulary.added)}) and decoder.added is '
          f'{config.decoder.added}: give the vocabulary of the model'
      )
    self.config = self.module.config
    self.vocabulary = vocabulary
    self.optimizer = optimizer_def

  def _build(self, config: Any) -> tuple[nn.Module, int]:
    """The network and the size of its table of words."""
    raise NotImplementedError

  @property
  def picture_size(self) -> FrameSize | None:
    """What pictures or arrays the model reads; None if it sees nothing."""
    vision = getattr(self.config, 'vision', None)
    return vision and picture_size(vision, self.config.image_size)

  def initialize(self, rng: Array) -> dict[str, Any]:
    """Random {'params': ..., 'frozen_params': ...}, boxed with logical axes.

    Only the first are trained; they are float32.

    Args:
      rng: a key, raw (uint32[2]) or not.
    """
    traced, structure = _initialization(type(self), self.module)
    made = jax.extend.core.jaxpr_as_fun(traced)(jax.random.key_data(rng))
    return jax.tree.unflatten(structure, made)

  @property
  def shapes(self) -> dict[str, Any]:
    """What `initialize` makes, as shapes."""
    return _shapes(type(self), self.module)

  @classmethod
  def make_variables(cls, module: nn.Module, rng: Array) -> dict[str, Any]:
    """The Python code of `initialize`."""
    raise NotImplementedError

  def prepare(self, frozen_params: Tree, batch: Batch) -> Batch:
    """The flat batch, with what needs no gradient computed once."""
    del frozen_params
    return batch

  def summed_loss(
      self, params: Tree, frozen_params: Tree, examples: Batch
  ) -> tuple[Array, Array]:
    """Summed loss of one dataset and the weight it is to be divided by.

    Args:
      params: the trainable tree, the only one that is differentiated.
      frozen_params: the frozen tree.
      examples: one dataset's features, each [B, ...].

    Returns:
      (sum of loss in nats, sum of loss weights), float32 scalars.
    """
    raise NotImplementedError


@functools.lru_cache(maxsize=32)
def _initialization(
    model: type[TrainedModel], module: nn.Module
) -> tuple[Any, Any]:
  """`make_variables`, traced once for all equal models, and its structure.

  Without a mesh: where weights go, who compiles it says.
  """
  make = functools.partial(model.make_variables, module)
  traced, shapes = jax.make_jaxpr(make, return_shape=True)(jax.random.PRNGKey(0))
  return traced, jax.tree.structure(shapes)


@functools.lru_cache(maxsize=32)
def _shapes(model: type[TrainedModel], module: nn.Module) -> dict[str, Any]:
  """Of `make_variables`, which most programs want alone."""
  make = functools.partial(model.make_variables, module)
  return models.init_shapes(make, jax.random.PRNGKey(0))


def _as_frozen(box: nn.LogicallyPartitioned) -> nn.LogicallyPartitioned:
  """Lets rules split a width of frozen weights in a way of its own."""
  widths = ('embed', 'lookup_embed', 'media_embed')
  names = (f'frozen_{n}' if n in widths else n for n in box.names)
  return box.replace(names=tuple(names))


def _boxed(params: Tree) -> Tree:
  """Weights of an encoder of one's own, which may say no axes, are whole."""
  return jax.tree.map(
      lambda x: x if sharding.is_boxed(x) else nn.LogicallyPartitioned(
          x, (None,) * x.ndim
      ), params, is_leaf=sharding.is_boxed,
  )


class FlamingoModel(TrainedModel):
  """Flamingo between frozen towers (§2)."""

  def _build(
      self, config: models.FlamingoConfig | models.LanguageModelConfig
  ) -> tuple[nn.Module, int]:
    if not isinstance(config, models.FlamingoConfig):
      raise UserError(
          f'the model is {config.MODEL} alone, which sees no images or videos: '
          'give the MODEL_DIR of a Flamingo'
      )
    return config.build(), config.decoder.vocab

  @classmethod
  def make_variables(cls, module: nn.Module, rng: Array) -> dict[str, Any]:
    """Random weights; those of frozen towers have the config's `frozen_dtype`."""
    cfg = module.config
    size = picture_size(cfg.vision, cfg.image_size)
    variables = module.init(
        rng,
        jnp.zeros((1, 1), jnp.int32),
        jnp.ones((1, 1), jnp.int32),
        jnp.zeros((1, 1, size.places, *size.shape), size.dtype),
        jnp.ones((1, 1, size.places), bool),
    )
    params, frozen_params = split_params(
        _boxed(variables['params']), cfg.trained_towers, cfg.lora.alone
    )

    def stored(path, box):
      # What was trained before it was frozen keeps its bits.
      if is_trainable(path) or is_update(path) or path[-1] == int8.SCALE:
        dtype = jnp.float32
      elif cfg.frozen_dtype == 'int8':
        dtype = jnp.bfloat16
      else:
        dtype = cfg.frozen_dtype
      return _as_frozen(jax.tree.map(lambda x: x.astype(dtype), box))

    frozen_params = int8.quantized(
        traverse_util.path_aware_map(stored, frozen_params)
    )
    return {'params': params, 'frozen_params': frozen_params}

  def prepare(self, frozen_params: Tree, batch: Batch) -> Batch:
    """Replaces all '<dataset>/media' of a batch by '<dataset>/features'.

    The vision encoder runs once, over the media of all datasets together, which
    costs a quarter of the compilation and needs no backward pass. Features are
    600 kB a picture, small beside what a dataset's activations take.

    Args:
      frozen_params: the frozen tree.
      batch: flat, [B, k_d, M, T, h, w, 3] for media, or [B, k_d, M, T, P, C].
        Pictures of one size are encoded together.
    """
    if 'vision_encoder' in self.shapes['params']:
      return batch  # encoded where gradients are taken
    media = {k: x for k, x in batch.items() if k.endswith('/media')}
    encoded = {k: x for k, x in batch.items() if k not in media}
    tiled = is_tiled(self.config.vision)
    axis = 3 if tiled else 4  # where a picture's own begin
    for size in sorted({x.shape[axis:] for x in media.values()}):
      alike = {k: x for k, x in media.items() if x.shape[axis:] == size}
      joined = lambda arrays, *own: jnp.concatenate(
          [x.reshape(x.shape[0], -1, *own) for x in arrays], axis=1
      )
      features = self.module.apply(
          {'params': frozen_params}, joined(alike.values(), *size),
          joined((batch[f'{k}_mask'] for k in alike), *size[:tiled]),
          method='features',
      )
      start = 0
      for key, x in alike.items():
        lead = x.shape[:axis]
        stop = start + math.prod(lead[1:])
        encoded[f'{key.removesuffix("media")}features'] = (
            features[:, start:stop].reshape(*lead, *features.shape[2:])
        )
        start = stop
    return encoded

  def summed_loss(
      self, params: Tree, frozen_params: Tree, examples: Batch
  ) -> tuple[Array, Array]:
    """Cross-entropy of the next token (Flamingo eq. 1).

    Examples are `typing.Example`s; they may have the vision encoder's
    'features' [B, M, T, P, Dv] instead of 'media', and 'segments' [B, L] if
    their rows hold several documents.
    """
    variables = {'params': merge_params(params, frozen_params)}
    features = examples.get('features')
    if features is None:
      features = self.module.apply(
          variables, examples['media'], examples['media_mask'],
          method='features',
      )
    x, unembed = self.module.apply(
        variables,
        examples['tokens'],
        examples['media_index'],
        features,
        examples['media_mask'],
        examples.get('segments'),
        method='states',
    )
    return next_token_loss(
        unembed, x, examples['targets'], examples['loss_weights']
    )


class LanguageModel(TrainedModel):
  """The language model of a Flamingo by itself, all of it trained (App. B).

  Its config is that Flamingo's; its vocabulary needs no <EOC>.
  """

  def _build(
      self, config: models.FlamingoConfig | models.LanguageModelConfig
  ) -> tuple[nn.Module, int]:
    config = models.LanguageModelConfig(config.decoder, config.dtype)
    return models.LanguageModel(config), config.decoder.vocab

  @classmethod
  def make_variables(cls, module: nn.Module, rng: Array) -> dict[str, Any]:
    """Random weights, under their names in Flamingo; nothing is frozen."""
    variables = module.init(rng, jnp.zeros((1, 1), jnp.int32))
    return {'params': variables['params'], 'frozen_params': {}}

  def summed_loss(
      self, params: Tree, frozen_params: Tree, examples: Batch
  ) -> tuple[Array, Array]:
    """Cross-entropy of the next token; examples are `data.text`'s."""
    x, unembed = self.module.apply(
        {'params': merge_params(params, frozen_params)},
        examples['tokens'],
        examples['segments'],
        method='states',
    )
    return next_token_loss(
        unembed, x, examples['targets'], examples['loss_weights']
    )


def answering(
    config: models.FlamingoConfig | models.LanguageModelConfig,
    vocabulary: Vocabulary,
) -> FlamingoModel | LanguageModel:
  """The model of a config, to answer with: nothing is trained."""
  is_flamingo = isinstance(config, models.FlamingoConfig)
  return (FlamingoModel if is_flamingo else LanguageModel)(
      config, vocabulary, None
  )


class ContrastiveModel(TrainedModel):
  """A vision encoder and a text encoder that find each other (B.1.3)."""

  additive = False  # the negatives of a pair are the rest of the batch
  likelihood = False

  def _build(self, config: models.ContrastiveConfig) -> tuple[nn.Module, int]:
    return models.DualTower(config), config.text.vocab

  @classmethod
  def make_variables(cls, module: nn.Module, rng: Array) -> dict[str, Any]:
    """Random weights; the vision encoder has its name in Flamingo."""
    size = module.config.image_size
    variables = module.init(
        rng,
        jnp.zeros((1, size, size, 3), jnp.uint8),
        jnp.zeros((1, 1), jnp.int32),
        jnp.ones((1, 1), bool),
    )
    return {'params': variables['params'], 'frozen_params': {}}

  def summed_loss(
      self, params: Tree, frozen_params: Tree, examples: Batch
  ) -> tuple[Array, Array]:
    """Both cross-entropies of each pair.

    Examples are `typing.Example`s of one picture each; its text are the targets
    that have a loss weight, which the `<image>` tag has not.
    """
    length, context = examples['tokens'].shape[1], self.config.text.context
    if length > context:
      raise UserError(
          f'texts have {length} tokens and the text encoder has room for '
          f'{context}: make task_feature_lengths shorter'
      )
    is_text = examples['loss_weights'] > 0
    # Texts begin at place 0, whatever stands before: so they are scored.
    places = jnp.argsort(~is_text, axis=1, stable=True)
    mask = jnp.take_along_axis(is_text, places, axis=1)
    tokens = jnp.take_along_axis(examples['targets'], places, axis=1)
    tokens = jnp.where(mask, tokens, 0)
    images, texts, inverse_temperature = self.module.apply(
        {'params': merge_params(params, frozen_params)},
        examples['media'][:, 0, 0],
        tokens,
        mask,
    )
    whole = jnp.any(mask, axis=1) & examples['media_mask'][:, 0, 0]
    return contrastive_loss(
        images, texts, inverse_temperature, whole.astype(jnp.float32),
        excluded=same_rows(tokens) if self.config.masks_duplicates else None,
    )
