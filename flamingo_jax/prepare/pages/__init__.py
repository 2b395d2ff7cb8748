# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From web pages to documents of text and images (Flamingo A.3.1)."""
