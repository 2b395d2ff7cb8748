# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The one exception that users are meant to read."""


class UserError(ValueError):
  """Bad input, told in one sentence: the file, line or value, and the remedy.

  Programs print it as `error: ...` without a traceback and exit with code 2.
  """
