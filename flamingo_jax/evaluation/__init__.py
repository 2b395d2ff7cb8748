# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Few-shot evaluation: tasks, prompts, decoding and metrics (Flamingo §3)."""
