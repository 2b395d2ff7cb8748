# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What the paper's Flamingo was compared with and won (§3.3, tables 3 and 10)."""
