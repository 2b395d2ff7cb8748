# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Flamingos around public language models and vision encoders, as data.

Their shapes are those of the config.json files on huggingface.co, so that a run
can be planned before anything is downloaded. What `flamingo convert` makes of
the weights says the same, and counts where it is given (run_dir/towers.py).
"""

from collections.abc import Mapping
import dataclasses

from flamingo_jax.models.decoder_config import BlockConfig, DecoderConfig
from flamingo_jax.models.flamingo import FlamingoConfig
from flamingo_jax.models.layer_config import LayerConfig
from flamingo_jax.models.resampler import ResamplerConfig
from flamingo_jax.models.tiled_vit import TiledViTConfig
from flamingo_jax.models.vit import ViTConfig
from flamingo_jax.picture_size import Squaring

# (factor, low and high frequency factors, context of before).
_LLAMA_3_1 = (8.0, 1.0, 4.0, 8192.0)
_LLAMA_3_2 = (32.0, 1.0, 4.0, 8192.0)
_SIGLIP_PIXELS = {
    'pixel_mean': (0.5, 0.5, 0.5), 'pixel_std': (0.5, 0.5, 0.5),
    'squaring': Squaring('stretched', 'bilinear'),
}

# google/siglip2-base-patch16-224
_SIGLIP2_B16 = ViTConfig(
    patch=16, layers=12, width=768, heads=12, mlp_width=3072, grid=14,
    patch_bias=True, bias=True, norm_eps=1e-6, **_SIGLIP_PIXELS,
)
# google/siglip2-so400m-patch14-384, of whose pictures 27 x 27 patches fill 378
_SIGLIP2_SO400M = ViTConfig(
    patch=14, layers=27, width=1152, heads=16, mlp_width=4304, grid=27,
    patch_bias=True, bias=True, norm_eps=1e-6, **_SIGLIP_PIXELS,
)
# laion/CLIP-ViT-H-14-laion2B-s32B-b79K
_CLIP_H14 = ViTConfig(
    patch=14, layers=32, width=1280, heads=16, mlp_width=5120, grid=16,
    class_token=True, pre_norm=True, bias=True, activation='gelu_exact',
    pixel_mean=(0.48145466, 0.4578275, 0.40821073),
    pixel_std=(0.26862954, 0.26130258, 0.27577711),
    squaring=Squaring('cropped', 'bicubic', shorter=224),
)
# openai/clip-vit-large-patch14
_CLIP_L14 = dataclasses.replace(
    _CLIP_H14, layers=24, width=1024, mlp_width=4096, activation='quick_gelu'
)
# meta-llama/Llama-3.2-11B-Vision and -90B, whose tiles are of 448 pixels, and of
# 560 in -Instruct
_LLAMA_TILES = TiledViTConfig(
    patch=14, grid=40, layers=32, global_layers=8, levels=(3, 7, 15, 23, 30),
    width=1280, heads=16, mlp_width=5120,
    squaring=Squaring('tiled', 'bilinear', tiles=4),
    pixel_mean=(0.48145466, 0.4578275, 0.40821073),
    pixel_std=(0.26862954, 0.26130258, 0.27577711),
)


def _llama(
    scaling: tuple[float, ...], mlp_width: int, theta: float = 500_000.0
) -> LayerConfig:
  """Llama 3's layers, with 8 heads of keys and values."""
  return LayerConfig(
      positions='rotary', rotary_thetas=(theta,), rotary_llama3=scaling,
      norm_eps=1e-5, activation='silu', gated=True, mlp_width=mlp_width,
      kv_heads=8,
  )


def _idefics(
    layers: int, width: int, heads: int, mlp_width: int
) -> FlamingoConfig:
  """A block before every 4th layer of LLaMA 1, and norms of queries and keys."""
  return FlamingoConfig(
      vision=dataclasses.replace(
          _CLIP_H14, gives_class_token=True, last_norm=False,
          squaring=Squaring('stretched', 'bicubic'),
      ),
      resampler=ResamplerConfig(
          width=1280, head_size=96, frames=0, projected=False,
          activation='relu', qk_norm=True,
      ),
      decoder=DecoderConfig(
          vocab=32_000, layers=layers, width=width, heads=heads, xattn_every=4,
          layer=LayerConfig(
              positions='rotary', activation='silu', gated=True,
              mlp_width=mlp_width, kv_heads=heads,
          ),
          tied=False, scaled_embedding=False, added=2, added_tied=False,
          block=BlockConfig(
              heads=heads, head_size=128, activation='silu', maps_media=False,
              norm='rms', norm_eps=1e-6, gated=True, mlp_width=mlp_width,
              qk_norm=True,
          ),
      ),
      image_size=224,
  )


def _open_flamingo(
    layers: int, width: int, heads: int, head_size: int, every: int,
    layer: LayerConfig, tied: bool = True,
) -> FlamingoConfig:
  """A block before every k-th layer; the tokenizer is that of GPT-NeoX-20B."""
  return FlamingoConfig(
      vision=_CLIP_L14,
      resampler=ResamplerConfig(
          width=1024, heads=8, head_size=64, frames=0, projected=False,
          activation='gelu_exact',
      ),
      decoder=DecoderConfig(
          vocab=50_277, layers=layers, width=width, heads=heads,
          head_size=head_size, xattn_every=every, first=every - 1, layer=layer,
          tied=tied, scaled_embedding=False, added=3, added_tied=tied,
          block=BlockConfig(
              heads=8, head_size=64, activation='gelu_exact', maps_media=False
          ),
      ),
      image_size=224,
      dtype='float32', frozen_dtype='float32',
  )


_MPT = LayerConfig(
    positions='alibi', norm='layer', norm_eps=1e-5, activation='gelu_exact'
)
_NEOX = LayerConfig(
    positions='rotary', norm='layer', norm_eps=1e-5, activation='gelu_exact',
    qkv_bias=True, out_bias=True, mlp_bias=True,
)


def _llama_vision(
    layers: int, width: int, heads: int, mlp_width: int
) -> FlamingoConfig:
  """Llama 3.2 Vision: a block before the 4th layer and every 4th from there."""
  return FlamingoConfig(
      vision=_LLAMA_TILES,
      resampler=ResamplerConfig(
          layers=0, width=width, latents=4 * 1601, frames=0, bias=True
      ),
      decoder=DecoderConfig(
          vocab=128_256, layers=layers, width=width, heads=heads, xattn_every=4,
          first=3, context=131_072, layer=_llama(_LLAMA_3_1, mlp_width),
          tied=False, scaled_embedding=False, added=8, added_tied=False,
          added_scored=False,
          block=BlockConfig(
              heads=heads, head_size=128, kv_heads=8, activation='silu',
              maps_media=False, norm='rms', norm_eps=1e-5, gated=True,
              mlp_width=mlp_width, qk_norm=True, groups_media=True,
              masked_ffw=True,
          ),
      ),
      image_size=560,
  )


PUBLIC: Mapping[str, FlamingoConfig] = {
    # HuggingFaceTB/SmolLM2-135M, for data of one's own.
    'flamingo_smollm2': FlamingoConfig(
        vision='tiny',
        resampler=ResamplerConfig(
            layers=2, width=192, heads=3, head_size=64, latents=16,
            latents_stddev=0.02,
        ),
        decoder=DecoderConfig(
            vocab=49_152, layers=30, width=576, heads=9, head_size=64,
            xattn_every=5, context=8192,
            layer=LayerConfig(
                positions='rotary', rotary_thetas=(100_000.0,), norm_eps=1e-5,
                activation='silu', gated=True, mlp_width=1536, kv_heads=3,
            ),
            scaled_embedding=False,
        ),
        image_size=64,
        dtype='float32',
        frozen_dtype='float32',
    ),
    # meta-llama/Llama-3.2-1B
    'flamingo_llama_1b': FlamingoConfig(
        vision=_SIGLIP2_B16,
        resampler=ResamplerConfig(),
        decoder=DecoderConfig(
            vocab=128_256, layers=16, width=2048, heads=32, head_size=64,
            xattn_every=2, context=131_072, layer=_llama(_LLAMA_3_2, 8192),
            scaled_embedding=False,
        ),
        image_size=224,
    ),
    # Qwen/Qwen3-8B
    'flamingo_qwen_8b': FlamingoConfig(
        vision=_SIGLIP2_SO400M,
        resampler=ResamplerConfig(),
        decoder=DecoderConfig(
            vocab=151_936, layers=36, width=4096, heads=32, xattn_every=4,
            context=40_960,
            layer=LayerConfig(
                positions='rotary', rotary_thetas=(1_000_000.0,),
                activation='silu', gated=True, mlp_width=12_288, kv_heads=8,
                qk_norm='head',
            ),
            tied=False, scaled_embedding=False,
        ),
        image_size=384,
    ),
    # meta-llama/Llama-3.1-70B
    'flamingo_llama_70b': FlamingoConfig(
        vision=_CLIP_H14,
        resampler=ResamplerConfig(),
        decoder=DecoderConfig(
            vocab=128_256, layers=80, width=8192, heads=64, xattn_every=7,
            context=131_072, layer=_llama(_LLAMA_3_1, 28_672), tied=False,
            scaled_embedding=False,
        ),
        image_size=224,
    ),
    # HuggingFaceM4/idefics-9b, and -80b
    'idefics_9b': _idefics(32, 4096, 32, 11_008),
    'idefics_80b': _idefics(80, 8192, 64, 22_016),
    # openflamingo/OpenFlamingo-3B-vitl-mpt1b, -4B-vitl-rpj3b, -9B-vitl-mpt7b
    'open_flamingo_3b': _open_flamingo(
        24, 2048, 16, 128, 1, dataclasses.replace(_MPT, qk_norm='whole')
    ),
    'open_flamingo_4b': _open_flamingo(32, 2560, 32, 80, 2, _NEOX, tied=False),
    'open_flamingo_9b': _open_flamingo(32, 4096, 32, 128, 4, _MPT),
    'llama_vision_11b': _llama_vision(32, 4096, 32, 14_336),
    'llama_vision_90b': _llama_vision(80, 8192, 64, 28_672),
}
