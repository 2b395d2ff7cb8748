# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The built-in driver: python -m flamingo_jax.train --gin_file=FILE.gin.

Runs the gin files that t5x's train.py runs: they say
`import __main__ as train_script` and bind `train_script.train`.
"""

import sys

from flamingo_jax import own_code

if __name__ == '__main__':  # before the imports that it is about
  own_code.keep_current_folder_out()

from flamingo_jax import machine
from flamingo_jax.data import quiet_tensorflow
from flamingo_jax.driver import interrupt

if __name__ == '__main__':  # before the imports that take seconds
  interrupt.exit_on_signals()
  machine.keep_memory()
  quiet_tensorflow.load()

from flamingo_jax import gin_program
from flamingo_jax.driver.loop import train

if __name__ == '__main__':
  sys.exit(gin_program.run(
      train, sys.argv[1:],
      'run the same command again, it continues from the newest checkpoint',
  ))
