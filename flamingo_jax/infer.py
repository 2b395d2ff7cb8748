# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Answers of a run as JSONL: python -m flamingo_jax.infer --gin_file=FILE.gin.

Runs the gin files that t5x's infer.py runs: they say
`import __main__ as infer_script` and bind `infer_script.infer`.
"""

import sys

from flamingo_jax import own_code

if __name__ == '__main__':  # before the imports that it is about
  own_code.keep_current_folder_out()

from flamingo_jax.data import quiet_tensorflow
from flamingo_jax.driver import interrupt

if __name__ == '__main__':  # both before the imports that take seconds
  interrupt.exit_on_signals()
  quiet_tensorflow.load()

from flamingo_jax import gin_program
from flamingo_jax.evaluation.seqio_answers import infer

if __name__ == '__main__':
  sys.exit(gin_program.run(infer, sys.argv[1:]))
