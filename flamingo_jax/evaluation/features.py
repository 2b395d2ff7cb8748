# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What the model reads of an example of evaluation."""

from collections.abc import Mapping

import seqio
import tensorflow as tf

# What the model reads; fixed shapes, so that a batch stacks them.
MODEL_FEATURES = {
    'tokens': (tf.int32, 1),  # [L] the prompt
    'media_index': (tf.int32, 1),  # [L] the medium each token sees, 0 for none
    'media': (tf.uint8, 5),  # [M T h w 3]
    'media_mask': (tf.bool, 2),  # [M T] False on padding
    'targets': (tf.int32, 1),  # [n] the candidate, or room for an answer
    'lengths': (tf.int32, 1),  # [2] tokens of the prompt and of the candidate
}


class FeatureConverter:
  """What seqio's Evaluator and t5x ask of a feature converter.

  The tasks make what the model reads, so it picks features and does no more;
  seqio's own class would ask for a length of each feature.
  """

  TASK_FEATURES = {
      name: seqio.FeatureConverter.FeatureSpec(dtype=dtype, rank=rank)
      for name, (dtype, rank) in MODEL_FEATURES.items()
  }

  def __init__(self, pack: bool = False, use_custom_packing_ops: bool = False):
    """Takes t5x's arguments; there is nothing to pack."""
    del use_custom_packing_ops
    self.pack = pack

  def __call__(
      self, ds: tf.data.Dataset, task_feature_lengths: Mapping[str, int]
  ) -> tf.data.Dataset:
    """The examples without their records."""
    del task_feature_lengths
    return ds.map(lambda example: {key: example[key] for key in MODEL_FEATURES})
