# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Gin files, one per experiment. A package, so that gin finds their includes."""
