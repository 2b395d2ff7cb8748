# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What t5x's programs need to train Flamingo; nothing else imports t5x."""
