# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The folder of a run: checkpoints, model.json, and weights to start from."""
