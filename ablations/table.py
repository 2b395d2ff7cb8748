# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The ablations of the paper (Flamingo §3.3), each one change of the tiny model.

What is changed are gin's bindings on top of configs/flamingo_tiny.gin:

    flamingo train --gin_file=configs/flamingo_tiny.gin --model_dir=DIR \\
        --gin.variant.ablation=vanilla_xattn

and so with every other configuration, size and driver.
"""

from collections.abc import Mapping
import dataclasses
from typing import Any

SOURCE = ('Flamingo, arXiv 2204.14198 v2, tables 3 and 10, overall score of '
          'Flamingo-3B at 4 shots')
PAPER_OVERALL = 70.7  # of the base


@dataclasses.dataclass(frozen=True)
class Ablation:
  """A row of the paper's tables, and what running it here needs."""

  change: str
  paper: float | None  # overall score of v2; None: not in its tables
  overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  part: str = ''  # of ablations/architecture.py
  bindings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  paper_base: float = PAPER_OVERALL  # the same without the change
  gradients: int = 1  # steps that compute the gradients of one of the base's
  tower: str = ''  # contrastive variant that its vision encoder comes from

  @property
  def flags(self) -> list[str]:
    """What is changed, as either driver takes it."""
    values = {
        'variant.overrides': self.overrides, 'variant.ablation': self.part,
    }
    values = {name: x for name, x in values.items() if x} | self.bindings
    return [f'--gin.{name}={value!r}' for name, value in values.items()]


def _data(mixture: str) -> dict[str, Any]:
  """Another mixture of tasks/tiny.py."""
  return {'MIXTURE_OR_TASK_NAME': f'tiny_pretrain_{mixture}'}


def _pages(kind: str) -> dict[str, Any]:
  """As tiny_pretrain.gin, but for the name of the pages."""
  episodes = {'tokens': 96, 'media': 18, 'image_size': 48}
  captions = {'tokens': 32, 'media': 1, 'image_size': 48}
  pages = f'shapes_m3w_{kind}'
  return _data(kind) | {
      'TASK_FEATURE_LENGTHS': {
          'shapes_bind': episodes, 'digits_bind': episodes,
          pages: {'tokens': 96, 'media': 5, 'image_size': 48},
          'shapes_pairs': captions, 'shapes_video': {**captions, 'frames': 8},
      },
      'BATCH_SIZES': {
          'shapes_bind': 16, 'digits_bind': 8, pages: 8, 'shapes_pairs': 32,
          'shapes_video': 8,
      },
  }


def _strategy(name: str) -> dict[str, Any]:
  """Another way to train on several datasets."""
  return {'train/DatasetConfig.strategy': name}


_LM, _VISION = {'trains_language_model': True}, {'trains_vision_encoder': True}
BASE = 'base'
ABLATIONS: Mapping[str, Ablation] = {
    # 3 i: episodes and pages stand for M3W: without them no example has more
    # than one picture.
    'no_video': Ablation(
        'no video-text pairs', 67.3, bindings=_data('no_video')),
    'no_pairs': Ablation(
        'no image-text pairs', 60.9, bindings=_data('no_pairs')),
    'no_interleaved': Ablation(
        'no M3W', 53.4, bindings=_data('no_interleaved')),
    # 3 ii: each update is of one of the five datasets.
    'round_robin': Ablation(
        'round robin', 62.9, bindings=_strategy('round_robin'), gradients=5),
    # Of table 11, which compares it for the vision encoder. An example has room
    # for 18 media of 8 frames, so a step costs several times that of the base.
    'merged': Ablation(
        'datasets merged in a batch', None, bindings=_strategy('merged')),
    # 3 iii and iv.
    'no_gate': Ablation('no tanh gate', 66.5, part='no_gate'),
    'vanilla_xattn': Ablation('vanilla xattn', 66.9, part='vanilla_xattn'),
    'grafting': Ablation('grafting', 63.1, part='grafting'),
    # 3 v: of three layers, two are below the block and one above.
    'single_in_the_middle': Ablation(
        'single block in the middle', 59.8, {'decoder.first': 2}),
    # With three layers that is one block before the first, as for all k >= 3.
    'every_4th': Ablation(
        'blocks every 4th layer', 68.8, {'decoder.xattn_every': 3}),
    'every_2nd': Ablation(
        'blocks every 2nd layer', 68.2, {'decoder.xattn_every': 2}),
    # 3 vi: as many parameters, within 2 %.
    'mlp_resampler': Ablation(
        'MLP resampler', 66.6, {'resampler.layers': 2, 'resampler.width': 84},
        part='mlp_resampler'),
    'transformer_resampler': Ablation(
        'Transformer resampler', 66.7, part='transformer_resampler'),
    # 3 vii: a ViT, and an NFNet of half the width.
    'vit': Ablation(
        'CLIP ViT-L/14', 64.9, {'vision': 'tiny_vit'},
        tower='contrastive_tiny_vit'),
    'small_vision_encoder': Ablation(
        'NFNet-F0', 62.7, {'vision': 'micro'}, tower='contrastive_micro'),
    # 3 viii.
    'lm_trained_from_scratch': Ablation(
        'LM trained, random init', 57.8, _LM, bindings={'LANGUAGE_MODEL': ''}),
    'lm_trained': Ablation('LM trained, pretrained init', 62.7, _LM),
    # 10 i: half and 1.8 times the parameters; the paper's sizes are untold, its
    # whole models have 3.1B and 3.4B instead of 3.2B.
    'resampler_small': Ablation(
        'small resampler', 67.9,
        {'resampler.width': 64, 'resampler.head_size': 16}),
    'resampler_large': Ablation(
        'large resampler', 69.0, {'resampler.layers': 2}),
    # 10 ii.
    'all_previous_images': Ablation(
        'all previous images', 63.5, part='all_previous_images'),
    # 10 iii: in half of the pages, or all, text looks at the next picture. The
    # tiny model's pages, whose texts come after their pictures, have a p_next
    # of 0, the paper's of a half.
    'p_next_half': Ablation(
        'p_next = 0.5', PAPER_OVERALL, bindings=_pages('half'), paper_base=69.6),
    'p_next_1': Ablation(
        'p_next = 1', 70.4, bindings=_pages('next'), paper_base=69.6),
    # 10 v.
    'vision_trained_from_scratch': Ablation(
        'vision encoder trained, random init', 61.4, _VISION,
        bindings={'VISION_ENCODER': ''}),
    'vision_trained': Ablation(
        'vision encoder trained, pretrained init', 68.1, _VISION),
}
RUNS = {BASE: Ablation('the tiny model', PAPER_OVERALL)} | ABLATIONS
