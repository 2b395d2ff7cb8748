# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Weights that the recorded references were made with, by name and shape."""

import hashlib

import numpy as np


def values(name: str, shape: tuple[int, ...]) -> np.ndarray:
  """float32 of a size that keeps activations near 1; norms are not all 1."""
  digest = hashlib.sha256(name.encode()).digest()
  rng = np.random.default_rng(int.from_bytes(digest[:8], 'little'))
  x = np.asarray(rng.standard_normal(shape))
  if len(shape) < 2:
    is_scale = name.endswith('weight')
    return np.asarray(0.2 * x + is_scale, np.float32)
  # Kernels of NFNets that are nearly constant, which an eps matters to.
  is_nearly = name.startswith(('stages.', 'NFNet/')) and 'conv' in name
  factor = 0.01 if is_nearly else 1.0
  return (factor * x * shape[-1] ** -0.5).astype(np.float32)


def added_values(name: str, shape: tuple[int, ...]) -> np.ndarray:
  """As `values`, of what a Flamingo adds to its towers: its gates are open."""
  is_gate = name.endswith('_gate') or '.alpha_' in name
  return values(name, shape) + np.float32(0.6 if is_gate else 0)
