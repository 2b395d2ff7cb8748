# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The processes of a job: how they find each other, and stop together.

A TPU pod has one process per host, all started with the same command. Every
process reads its part of each batch and writes its part of each checkpoint; the
first one alone writes everything else.
"""

import os
import signal

import jax
from jax.sharding import NamedSharding, PartitionSpec
import jax.numpy as jnp
import numpy as np

from flamingo_jax.driver.interrupt import StopRequest
from flamingo_jax.errors import UserError

_ADDRESS = 'JAX_COORDINATOR_ADDRESS'
_NUMBERS = ('JAX_NUM_PROCESSES', 'JAX_PROCESS_ID')


def join() -> None:
  """Makes this process one of its job's, if there are others.

  Has to come before anything that asks JAX for devices. On a machine with TPUs
  JAX finds the other hosts by itself. Elsewhere JAX_COORDINATOR_ADDRESS,
  HOST:PORT of process 0, says that there are others, JAX_NUM_PROCESSES how
  many, and JAX_PROCESS_ID which one this is; under Slurm and Open MPI the
  address is enough.

  Raises:
    UserError: only a part of that is set, or the others don't come.
  """
  has_tpus = (jax.config.jax_platforms or '').startswith('tpu')
  if jax.distributed.is_initialized() or not (_ADDRESS in os.environ or has_tpus):
    return
  # Its handler of SIGTERM would keep the signal from ours.
  jax.config.update('jax_enable_preemption_service', False)
  try:
    jax.distributed.initialize(**_numbers())
  except ValueError as error:
    if _ADDRESS in os.environ:
      raise UserError(
          f'{_ADDRESS} is set, but not which process of how many this is '
          f'({error}): set {" and ".join(_NUMBERS)} too'
      ) from error
    # A machine with TPUs that is none of a pod.
  except RuntimeError as error:
    raise UserError(
        f'the processes of this job did not find each other: {error}'
    ) from error


def _numbers() -> dict[str, int]:
  found = {name: os.environ.get(name) for name in _NUMBERS}
  for name, value in found.items():
    if value is not None and not value.isdecimal():
      raise UserError(f'{name} is {value!r}; it must be a number')
  return {
      name.removeprefix('JAX_').lower(): int(value)
      for name, value in found.items()
      if value is not None
  }


class SharedStop:
  """A request to stop that reached any process, seen by all at one step."""

  def __init__(self, request: StopRequest):
    """Nothing is sent yet.

    Args:
      request: that of this process.
    """
    self._request = request
    self._devices = jax.make_mesh((jax.device_count(),), ('all',))
    self._largest = jax.jit(
        jnp.max, out_shardings=NamedSharding(self._devices, PartitionSpec())
    )
    self._newest: jax.Array | None = None

  def poll(self) -> str | None:
    """The name of a signal, or None; to be called by all once per step.

    With several processes it is what they knew at the call before this one:
    their votes travel behind a training step, so that no device ever waits.
    """
    number = self._request.number
    if jax.process_count() > 1:
      before, self._newest = self._newest, self._largest(
          jax.make_array_from_process_local_data(
              NamedSharding(self._devices, PartitionSpec('all')),
              np.full(jax.local_device_count(), number, np.int32),
          )
      )
      number = 0 if before is None else int(before)
    return signal.Signals(number).name if number else None
