# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Gin files that each change one thing about flamingo_tiny.gin."""
