# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets as seqio tasks and mixtures; importing a module registers them."""

from flamingo_jax.data import quiet_tensorflow

quiet_tensorflow.load()  # which all of them need
