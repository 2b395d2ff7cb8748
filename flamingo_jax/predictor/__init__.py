# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The Python API: a trained model that continues and scores prompts.

A prompt is a list of parts, images or videos and texts in reading order. Needs
neither TensorFlow nor gin.
"""

from flamingo_jax.predictor.inputs import Prompt
from flamingo_jax.predictor.loading import load
from flamingo_jax.predictor.predictor import Predictor
