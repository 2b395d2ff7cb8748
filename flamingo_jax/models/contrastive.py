# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Two towers with one space: how the vision encoder learns (Flamingo B.1.3).

  picture -> NFNet -> mean over the grid -> map --+
                                                  +-> cosine x temperature
  text -> BERT-like encoder -> mean over tokens --+
"""

from collections.abc import Mapping
import dataclasses

from flax import linen as nn
import jax
import jax.numpy as jnp

from flamingo_jax.errors import UserError
from flamingo_jax.models.architecture import Architecture
from flamingo_jax.models.encoder_layer import EncoderLayer
from flamingo_jax.models.layer_stack import scan
from flamingo_jax.models.layers import Einsum, LayerNorm, parameter
from flamingo_jax.models.vision import normalize_pixels, vision_encoder
from flamingo_jax.sharding import constrain
from flamingo_jax.typing import Array, Bool, Float, Int, UInt8

# Where the logits' scale starts; the paper learns it and tells no start. CLIP's
# is 14, ALIGN's 1.
_INVERSE_TEMPERATURE = 10.0


@dataclasses.dataclass(frozen=True)
class TextEncoderConfig:
  """Shape of the text tower."""

  vocab: int  # entries; one more is added for <EOC>
  layers: int = 24  # BERT-Large, as ALIGN's; Flamingo's is untold
  width: int = 1024
  heads: int = 16
  head_size: int = 64
  context: int = 64  # tokens at most


@dataclasses.dataclass(frozen=True)
class ContrastiveConfig(Architecture):
  """The architecture of both towers."""

  MODEL = 'two towers'

  vision: str  # a name that vision.vision_encoder knows
  text: TextEncoderConfig
  joint: int = 1376  # width of the common space
  image_size: int = 288  # pixels a side
  dtype: str = 'bfloat16'  # of activations
  # Whether pairs of the same text are no negatives of each other: few captions
  # are alike among those of the web, and many in a small world.
  masks_duplicates: bool = False


_TINY = ContrastiveConfig(
    vision='tiny',
    text=TextEncoderConfig(
        vocab=840, layers=1, width=64, heads=4, head_size=16
    ),
    joint=64,
    image_size=48,
    dtype='float32',
    masks_duplicates=True,
)
CONTRASTIVE: Mapping[str, ContrastiveConfig] = {
    'contrastive_tiny': _TINY,
    # The vision encoder of flamingo_small, for data of one's own on a CPU.
    'contrastive_small': dataclasses.replace(
        _TINY, text=dataclasses.replace(_TINY.text, vocab=2048), image_size=64
    ),
    'contrastive_f6': ContrastiveConfig(
        vision='F6', text=TextEncoderConfig(vocab=32_000)
    ),
    # Vision encoders of ablations (table 3 vii), otherwise as the tiny one.
    'contrastive_tiny_vit': dataclasses.replace(_TINY, vision='tiny_vit'),
    'contrastive_micro': dataclasses.replace(_TINY, vision='micro'),
}


def get(name: str) -> ContrastiveConfig:
  """A row of `CONTRASTIVE`; UserError if there is none of that name."""
  if name not in CONTRASTIVE:
    raise UserError(
        f'unknown pair of towers {name!r}: there are {", ".join(CONTRASTIVE)}'
    )
  return CONTRASTIVE[name]


def mean_of_rows(
    x: Float[Array, 'N S D'], mask: Bool[Array, 'N S']
) -> Float[Array, 'N D']:
  """The mean over the rows that are not masked, in float32; 0 of none."""
  weights = mask.astype(jnp.float32)[..., None]
  total = jnp.sum(x.astype(jnp.float32) * weights, axis=1)
  return total / jnp.maximum(jnp.sum(weights, axis=1), 1.0)


class TextEncoder(nn.Module):
  """Tokens to the mean of their features."""

  config: TextEncoderConfig
  dtype: str

  @nn.compact
  def __call__(
      self, tokens: Int[Array, 'N L'], mask: Bool[Array, 'N L']
  ) -> Float[Array, 'N D']:
    """Features of each text; mask is False on padding."""
    cfg = self.config
    normal = nn.initializers.normal(stddev=0.02)
    param = lambda name, axis, size: parameter(
        self, name, normal, (axis, 'embed'), (size, cfg.width)
    ).astype(self.dtype)
    table = param('token_embedder', 'text_vocab', cfg.vocab + 1)
    places = param('position_embedder', None, cfg.context)
    x = table[tokens] + places[: tokens.shape[1]]
    x = constrain(x, 'text', 'length', 'embed')
    layers = scan(self, EncoderLayer, cfg.layers, 'layers', 1)
    x, _ = layers(
        cfg.heads, cfg.head_size, jax.nn.gelu, self.dtype, name='layers'
    )(x, None, mask[:, None])
    return mean_of_rows(LayerNorm(self.dtype, name='final_norm')(x), mask)


class DualTower(nn.Module):
  """Pictures and texts to directions in the joint space."""

  config: ContrastiveConfig

  def setup(self):
    """Modules; the vision encoder has the name it has in Flamingo."""
    cfg = self.config
    self.vision_encoder = vision_encoder(cfg.vision, cfg.dtype)
    self.text_encoder = TextEncoder(cfg.text, cfg.dtype)
    project = lambda name, width: Einsum(
        'ND,DJ->NJ', (width, cfg.joint), ('vision_embed', 'joint'), name=name
    )
    self.image_projection = project(
        'image_projection', self.vision_encoder.features
    )
    self.text_projection = project('text_projection', cfg.text.width)
    self.log_inverse_temperature = parameter(
        self, 'log_inverse_temperature',
        nn.initializers.constant(jnp.log(_INVERSE_TEMPERATURE)), (), (),
    )

  def __call__(
      self,
      images: UInt8[Array, 'N h w 3'],
      tokens: Int[Array, 'N L'],
      mask: Bool[Array, 'N L'],
  ) -> tuple[Float[Array, 'N J'], Float[Array, 'N J'], Float[Array, '']]:
    """(unit vectors of pictures, those of texts, inverse temperature)."""
    return (
        self.embed_images(images),
        self.embed_texts(tokens, mask),
        jnp.exp(self.log_inverse_temperature),
    )

  def embed_images(
      self, images: UInt8[Array, 'N h w 3']
  ) -> Float[Array, 'N J']:
    """Unit vectors of pictures."""
    pixels = normalize_pixels(images, self.config.vision)
    pixels = constrain(pixels, 'media', None, None, None)
    grid = self.vision_encoder(pixels)
    pooled = jnp.mean(grid.astype(jnp.float32), axis=(1, 2))
    pooled = constrain(pooled, 'batch', None)
    return _unit(self.image_projection(pooled))

  def embed_texts(
      self, tokens: Int[Array, 'N L'], mask: Bool[Array, 'N L']
  ) -> Float[Array, 'N J']:
    """Unit vectors of texts; mask is False on padding."""
    return _unit(self.text_projection(self.text_encoder(tokens, mask)))


def _unit(x: Float[Array, 'N J']) -> Float[Array, 'N J']:
  return x * jax.lax.rsqrt(jnp.sum(x**2, axis=-1, keepdims=True) + 1e-12)
