# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Trains on Cloud TPUs: python launch/tpu_vm.py --pod=POD COMMAND [--dry_run].

  create    asks for the slice and waits in the queue until it is ready
  install   copies this tree to every worker and installs it with t5x
  run       starts the job on every worker; it continues when you disconnect
  logs      follows what worker 0 prints; Ctrl-C does not stop the job
  status    shows the state of the slice, and of the job on every worker
  watch     checks the state every minute; recreates a slice that was preempted
            and resumes the job from its newest checkpoint
  delete    gives the slice back, so that it costs nothing more

POD is launch/pods.py:NAME, a row of its table; --pod.NAME=VALUE changes one of
its fields, such as --pod.bindings.MODEL_DIR=gs://mine/run. --dry_run prints the
exact commands and runs none of them. Needs gcloud, and shows its output.
"""

from collections.abc import Callable, Sequence
import json
import pathlib
import shlex
import subprocess
import sys
import time

from absl import app, flags
from ml_collections import ConfigDict, config_flags

ROOT = pathlib.Path(__file__).resolve().parents[1]
ARCHIVE = 'flamingo_jax.tar.gz'  # in the home folder of a worker
# States of a queued resource that need no patience but a new request.
LOST = ('FAILED', 'SUSPENDING', 'SUSPENDED')

POD = config_flags.DEFINE_config_file('pod', help_string='launch/pods.py:NAME')
DRY_RUN = flags.DEFINE_bool('dry_run', False, 'print the commands, run none')
POLL = flags.DEFINE_float('poll_seconds', 60, 'between checks of the state')


class Slice:
  """One slice of TPU VMs and the job on it."""

  def __init__(self, pod: ConfigDict, dry_run: bool, poll_seconds: float):
    """Does nothing yet.

    Args:
      pod: a row of launch/pods.py.
      dry_run: print commands instead of running them.
      poll_seconds: between looks at the state.
    """
    self._pod = pod
    self._dry_run = dry_run
    self._poll_seconds = poll_seconds
    self._where = [f'--zone={pod.zone}']
    if pod.project:
      self._where.append(f'--project={pod.project}')

  def create(self) -> None:
    """Asks for the slice and waits until it is there."""
    pod = self._pod
    self._call(
        'gcloud', 'compute', 'tpus', 'queued-resources', 'create', pod.name,
        f'--node-id={pod.name}', *self._where,
        *(f'--{name}={value}' for name, value in pod.accelerator.items()),
        f'--runtime-version={pod.runtime_version}',
        *(f'--{flag}' for flag in pod.create_flags),
    )
    self._wait()

  def install(self) -> None:
    """Copies the committed tree to every worker and installs it."""
    self._call('git', '-C', str(ROOT), 'archive', f'--output={ROOT / ARCHIVE}',
               'HEAD')
    self._call(
        'gcloud', 'compute', 'tpus', 'tpu-vm', 'scp', str(ROOT / ARCHIVE),
        f'{self._pod.name}:{ARCHIVE}', '--worker=all', *self._where,
    )
    self._on_workers(
        f'mkdir -p flamingo_jax && tar -xzf {ARCHIVE} -C flamingo_jax && '
        'flamingo_jax/launch/install_tpu.sh'
    )

  def run(self) -> None:
    """Starts the job on every worker, out of reach of a lost connection."""
    bindings = shlex.join(
        f'--gin.{name}={json.dumps(value)}'
        for name, value in self._pod.bindings.to_dict().items()
    )
    # The old output is kept: a job that was preempted is one job.
    job = (f'{self._pod.command} {bindings} >> ~/job.log 2>&1; '
           'echo $? > ~/job.exit')
    self._on_workers(
        'cd flamingo_jax && rm -f ~/job.exit && PATH=$PWD/.venv/bin:$PATH '
        f'setsid nohup bash -c {shlex.quote(job)} > /dev/null 2>&1 < /dev/null &'
    )

  def logs(self) -> None:
    """Follows the output of worker 0."""
    self._on_workers('tail -n 100 -F job.log', worker='0')

  def status(self) -> None:
    """Prints the state of the slice and, where it is up, of the job."""
    state = self._state()
    if not self._dry_run:
      print(f'{self._pod.name}: {state}')
    if state == 'ACTIVE' or self._dry_run:
      self._on_workers(
          'echo "$(hostname): $(cat job.exit 2>/dev/null || echo running)"'
      )

  def watch(self) -> None:
    """Remakes the slice whenever it is lost, until the job has ended."""
    while True:
      state = self._state()
      if state in LOST:
        print(f'{self._pod.name}: {state}; recreating it')
      if state in LOST or self._dry_run:
        for step in (self.delete, self.create, self.install, self.run):
          step()
      elif state == 'ACTIVE' and (code := self._exit_code()):
        print(f'{self._pod.name}: the job ended with exit code {code}')
        return
      if self._dry_run:
        return
      time.sleep(self._poll_seconds)

  def delete(self) -> None:
    """Gives the slice back."""
    self._call(
        'gcloud', 'compute', 'tpus', 'queued-resources', 'delete',
        self._pod.name, '--force', '--quiet', *self._where,
    )

  def _wait(self) -> None:
    """Returns when the slice is up; exits if it never will be."""
    last = None
    while (state := self._state()) != 'ACTIVE' and not self._dry_run:
      if state in LOST:
        raise SystemExit(
            f'error: {self._pod.name} is {state} and will not come: see '
            'gcloud compute tpus queued-resources describe; delete it and '
            'create it again'
        )
      if state != last:
        print(f'{self._pod.name}: {state}')
      last = state
      time.sleep(self._poll_seconds)

  def _state(self) -> str:
    return self._call(
        'gcloud', 'compute', 'tpus', 'queued-resources', 'describe',
        self._pod.name, *self._where, '--format=value(state.state)',
        capture=True,
    )

  def _exit_code(self) -> str:
    """That of the job on worker 0; empty while it runs."""
    return self._on_workers(
        'cat job.exit 2>/dev/null || true', worker='0', capture=True
    )

  def _on_workers(
      self, command: str, worker: str = 'all', capture: bool = False
  ) -> str:
    return self._call(
        'gcloud', 'compute', 'tpus', 'tpu-vm', 'ssh', self._pod.name,
        f'--worker={worker}', *self._where, f'--command={command}',
        capture=capture,
    )

  def _call(self, *command: str, capture: bool = False) -> str:
    """Runs a command; its errors are shown where they arise.

    Args:
      *command: program and arguments.
      capture: return what it prints; else it is shown.

    Raises:
      SystemExit: it failed or does not exist.
    """
    if self._dry_run:
      print(shlex.join(command))
      return ''
    try:
      done = subprocess.run(
          command, stdout=subprocess.PIPE if capture else None, text=True
      )
    except FileNotFoundError:
      raise SystemExit(
          f'error: there is no {command[0]} on PATH: install the Google Cloud '
          'CLI, or look at the commands with --dry_run'
      ) from None
    if done.returncode:
      raise SystemExit(
          f'error: exit code {done.returncode} from: {shlex.join(command)}'
      )
    return (done.stdout or '').strip()


COMMANDS: dict[str, Callable[[Slice], None]] = {
    name: getattr(Slice, name)
    for name in (
        'create', 'install', 'run', 'logs', 'status', 'watch', 'delete'
    )
}


def main(argv: Sequence[str]) -> None:
  """Runs one command of `COMMANDS`."""
  names = argv[1:]
  if len(names) != 1 or names[0] not in COMMANDS:
    raise SystemExit(
        f'error: give one command of {", ".join(COMMANDS)}, not '
        f'{" ".join(names) or "none"}'
    )
  if POD.value is None:
    raise SystemExit('error: give --pod=launch/pods.py:NAME, a row of its table')
  sys.stdout.reconfigure(line_buffering=True)
  COMMANDS[names[0]](Slice(POD.value, DRY_RUN.value, POLL.value))


if __name__ == '__main__':
  app.run(main)
