# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Flamingo's modules and the zoo of sizes; needs only jax, flax and numpy."""

from flamingo_jax.models import variants
from flamingo_jax.models.branches import Branches
from flamingo_jax.models.cache import Cache, gather_cache, put_row
from flamingo_jax.models.contrastive import ContrastiveConfig, DualTower
from flamingo_jax.models.decoder_config import DecoderConfig
from flamingo_jax.models.flamingo import Flamingo, FlamingoConfig
from flamingo_jax.models.language_model import (
    LanguageModel,
    LanguageModelConfig,
)
from flamingo_jax.models.layer_stack import init_shapes
from flamingo_jax.models.nfnet import NFNet, NFNetConfig
from flamingo_jax.models.resampler import PerceiverResampler, ResamplerConfig
from flamingo_jax.models.vision import VisionEncoder, VisionEncoderConfig
from flamingo_jax.models.vit import ViTConfig
