# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Training: gradients, optimizer, checkpoints and the built-in driver."""
