# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets as seqio tasks and mixtures; importing a module registers them."""
