# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A step of training: what is trained, gradients, optimizer, mesh."""
