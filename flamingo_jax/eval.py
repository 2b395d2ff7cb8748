# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Few-shot scores of a run: python -m flamingo_jax.eval --gin_file=FILE.gin.

Runs the gin files that t5x's eval.py runs: they say
`import __main__ as eval_script` and bind `eval_script.evaluate`.
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
from flamingo_jax.evaluation.seqio_scores import evaluate

if __name__ == '__main__':
  sys.exit(gin_program.run(evaluate, sys.argv[1:]))
