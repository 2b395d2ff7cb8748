# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""`flamingo doctor`: what is installed, what is wrong, what to do about it."""

from collections.abc import Iterator, Sequence
import dataclasses
import glob
from importlib import metadata
import importlib.util
import os
import pathlib
import platform
import re
import subprocess
import sys

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from flamingo_jax import compiled
from flamingo_jax import user_cache
from flamingo_jax.errors import shown
from flamingo_jax.machine import cores

REINSTALL = "pip install -e '.[{extra}]' -c constraints.txt"
TRAIN_MODULES = (
    'tensorflow', 'tensorflow_text', 'tensorflow_datasets', 'seqio', 'clu',
    'cv2',
)
# Distributions that install into another one's folder and overwrite it.
OVERWRITERS = {
    'seqio-nightly': 'seqio',
    'tfds-nightly': 'tensorflow-datasets',
    'tf-nightly': 'tensorflow',
    'Pillow-SIMD': 'pillow',
}
# Not 'tpu', 'cuda' and 'beam', whose environments are others.
EXTRAS = (
    'train', 'prepare', 'eval', 'serve', 'tokenizers', 'convert', 't5x', 'test',
)
CONTAINED = {
    'prepare': ('train',), 'convert': ('tokenizers',), 't5x': ('train',),
    'test': EXTRAS[:-1],
}
T5X = ('t5x', 'airio', 'jestimator')
PROBE_SECONDS = 180


@dataclasses.dataclass(frozen=True)
class Finding:
  """One line of the report; `remedy` is what to do when it is not 'ok'."""

  status: str  # 'ok', 'note' or 'BAD'
  text: str
  remedy: str = ''

  def __str__(self) -> str:
    remedy = f': {self.remedy}' if self.remedy else ''
    return f'{self.status:<5}{self.text}{remedy}'


def installed_versions(path: Sequence[str]) -> dict[str, str]:
  """Normalised distribution name -> version, of everything on the path."""
  versions = {}
  for distribution in metadata.distributions(path=list(path)):
    if distribution.name:
      name = canonicalize_name(distribution.name)
      versions.setdefault(name, distribution.version)
  return versions


def requirements() -> Sequence[str]:
  """What setup.py asks for; nothing where the package is not installed."""
  try:
    return metadata.requires('flamingo_jax') or []
  except metadata.PackageNotFoundError:
    return []


def check_python(version: tuple[int, ...]) -> Finding:
  """Whether this Python is one that the pinned packages have wheels for."""
  text = f'Python {".".join(map(str, version[:3]))}, {platform.platform()}'
  if version[:2] < (3, 11):
    return Finding('BAD', text, 'flamingo_jax needs 3.11, 3.12 or 3.13')
  if version[:2] > (3, 13):
    return Finding('note', text, 'TensorFlow 2.21, and so training, needs 3.13 '
                   'or older')
  return Finding('ok', text)


def check_requirements(
    requirements: Sequence[str], versions: dict[str, str]
) -> Iterator[Finding]:
  """Compares what setup.py asks for with what is there.

  Args:
    requirements: the lines of the metadata, like `av; extra == "train"`.
    versions: what `installed_versions` returned.

  Yields:
    For the core and each extra one Finding if something is missing (a note
    when it is an extra), and one for each package of a wrong version.
  """
  missing: dict[str, list[str]] = {}
  for extra in ('', *EXTRAS):
    for requirement in map(Requirement, requirements):
      name = canonicalize_name(requirement.name)
      if not _applies(requirement, extra):
        continue
      if name not in versions:
        contained = CONTAINED.get(extra, ())
        if not any(name in missing.get(part, []) for part in contained):
          missing.setdefault(extra, []).append(name)
      elif not requirement.specifier.contains(versions[name], True):
        yield Finding(
            'BAD', f'{name} {versions[name]} is installed, but '
            f'{requirement.specifier} is needed',
            REINSTALL.format(extra=extra or 'train'))
  for extra, names in missing.items():
    if not extra:
      yield Finding('BAD', f'missing: {", ".join(names)}',
                    'pip install -e . -c constraints.txt')
    else:
      purpose = {'train': 'training', 'test': 'testing'}.get(extra, extra)
      yield Finding('note', f'{purpose} also needs {", ".join(names)}',
                    REINSTALL.format(extra=extra))


def not_installed(module: str, requirements: Sequence[str]) -> str:
  """What to tell of a module that is not there.

  Args:
    module: its name, such as 'ada_url'.
    requirements: as for `check_requirements`.

  Returns:
    The end of a sentence, with the command that installs it or, where no
    requirement has its name, with the one that tells.
  """
  top = module.partition('.')[0]
  remedy = 'flamingo doctor'
  for requirement in map(Requirement, requirements):
    extra = re.search(r'extra == "([^"]+)"', str(requirement.marker or ''))
    if extra and canonicalize_name(requirement.name) == canonicalize_name(top):
      remedy = REINSTALL.format(extra=extra[1])
      break
  return f'{top}, which is not installed; run {remedy}'


def _applies(requirement: Requirement, extra: str) -> bool:
  """Whether this extra, '' for the core, and not the core asks for it here."""
  holds = lambda e: (
      requirement.marker is None or requirement.marker.evaluate({'extra': e})
  )
  return holds(extra) and not (extra and holds(''))


def check_overwritten(
    path: Sequence[str], versions: dict[str, str]
) -> Iterator[Finding]:
  """Packages that were installed into the folder of another one.

  t5 asks for seqio-nightly, which installs an old copy over seqio: the metadata
  then gives one version and the code another.
  """
  for intruder, victim in OVERWRITERS.items():
    if canonicalize_name(intruder) in versions:
      yield Finding(
          'BAD', f'{intruder} has overwritten files of {victim}',
          f'pip uninstall -y {intruder} {victim} and then '
          + REINSTALL.format(extra='train'))
  if 't5' in versions:
    yield Finding(
        'BAD', 'the package t5 installs seqio-nightly over seqio',
        'pip uninstall -y t5 seqio-nightly tfds-nightly seqio and then '
        + REINSTALL.format(extra='train'))
  found = version_in_code('seqio', path)
  if found and 'seqio' in versions and found != versions['seqio']:
    yield Finding(
        'BAD',
        f'seqio says it is {found}, its metadata says {versions["seqio"]}: '
        'seqio-nightly was installed over it',
        'pip uninstall -y seqio-nightly seqio and then '
        + REINSTALL.format(extra='train'))


def version_in_code(package: str, path: Sequence[str]) -> str | None:
  """`__version__` as the package's files state it, without importing it."""
  for folder in path:
    for name in ('version.py', '__init__.py'):
      file = pathlib.Path(folder) / package / name
      if file.is_file():
        match = re.search(r'^__version__ = [\'"](.+?)[\'"]',
                          file.read_text(errors='replace'), re.MULTILINE)
        if match:
          return match[1]
  return None


def check_t5x() -> Finding:
  """Whether t5x's programs can train; they are on GitHub only."""
  found = [name for name in T5X if importlib.util.find_spec(name)]
  remedy = 'docs/t5x.md says how to install it'
  if 't5x' not in found:
    return Finding(
        'note', 't5x is not installed; flamingo train does not need it', remedy
    )
  if missing := [name for name in T5X if name not in found]:
    return Finding('BAD', f't5x needs {" and ".join(missing)}', remedy)
  return Finding('ok', 't5x is installed')


def check_jax_pair(versions: dict[str, str]) -> Iterator[Finding]:
  """jax, jaxlib and the accelerator plugins are released together."""
  jax = versions.get('jax')
  for name, version in versions.items():
    if not jax or not re.fullmatch(r'jaxlib|jax-.*-(plugin|pjrt)', name):
      continue
    ours, theirs = Version(jax), Version(version)
    if theirs.release[:2] != ours.release[:2] or (
        theirs.release > ours.release):
      yield Finding('BAD', f'jax {jax} does not match {name} {version}',
                    f'pip install -U {name}=={jax} or '
                    + REINSTALL.format(extra='train'))


def check_backend() -> Finding:
  """Starts jax in a process of its own, so that a hang or crash is a line."""
  code = ('import jax; d = jax.devices(); print(jax.default_backend(), len(d), '
          'd[0].device_kind, sep="|")')
  output, error = run_python(code)
  if error:
    return Finding('BAD', f'jax does not start: {error}', 'is another process '
                   'using the accelerator? else '
                   + REINSTALL.format(extra='train'))
  backend, count, kind = output.rsplit('\n', 1)[-1].split('|')
  devices = 'device' if count == '1' else 'devices'
  text = f'backend {backend}, {count} {devices}, {kind}'
  accelerator = glob.glob('/dev/accel*') + glob.glob('/dev/nvidia[0-9]')
  if backend == 'cpu' and accelerator and 'JAX_PLATFORMS' not in os.environ:
    return Finding('BAD', f'{text}, though {accelerator[0]} exists',
                   "pip install -e '.[tpu]' or '.[cuda]' -c constraints.txt")
  return Finding('ok', text)


def check_train_imports(versions: dict[str, str]) -> Iterator[Finding]:
  """Imports the training packages, each of which may have been built apart."""
  if 'tensorflow' not in versions or 'seqio' not in versions:
    return
  code = f'import importlib\nfor name in {TRAIN_MODULES}:\n' \
      '  importlib.import_module(name)'
  _, error = run_python(code)
  if not error:
    yield Finding('ok', f'{", ".join(TRAIN_MODULES)} can be imported together')
    return
  remedy = REINSTALL.format(extra='train')
  if 'protobuf' in error or 'gencode' in error:
    error = f'protobuf {versions.get("protobuf")} is too old or too new: {error}'
  elif re.search(r'numpy|_ARRAY_API', error, re.IGNORECASE):
    error = f'numpy {versions.get("numpy")} does not fit: {error}'
  yield Finding('BAD', f'the training packages cannot be imported: {error}',
                remedy)


def run_python(code: str) -> tuple[str, str]:
  """Runs code in a new process: (its output, '') or ('', why it failed)."""
  environ = {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3'}
  try:
    result = subprocess.run(
        [sys.executable, '-P', '-c', code], capture_output=True, text=True,
        timeout=PROBE_SECONDS, env=environ, check=False)
  except subprocess.TimeoutExpired:
    return '', f'no answer within {PROBE_SECONDS} s'
  if result.returncode == 0:
    return result.stdout.strip(), ''
  lines = result.stderr.strip().splitlines() or ['']
  return '', lines[-1] or f'exit status {result.returncode}'


def machine() -> Finding:
  """Cores this process may use, and the memory of the machine in GB."""
  total = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
  limit = pathlib.Path('/sys/fs/cgroup/memory.max')  # containers
  if limit.is_file() and limit.read_text().strip().isdigit():
    total = min(total, int(limit.read_text()))
  return Finding('ok', f'{cores()} cores, {total / 1e9:.1f} GB of memory')


def check_compiled() -> Finding:
  """Where programs that were compiled for an answer are kept, if they are."""
  if switch := compiled.own_switch():
    value = shown(os.environ[switch])
    return Finding('ok', f'compiled programs: as {switch}={value} says')
  try:
    folder = compiled.usable_folder()
  except (OSError, RuntimeError) as error:
    return Finding('note', f'compiled programs are not kept ({error})',
                   'name a folder of your own with XDG_CACHE_HOME')
  return _kept('compiled', f'compiled programs are kept in {folder}')


def check_media() -> Finding:
  """Where `flamingo eval` keeps what models make of pictures, if it does."""
  folder = user_cache.root('media')
  try:
    user_cache.usable(folder)
  except (OSError, RuntimeError) as error:
    return Finding('note', f'latents of pictures are not kept ({error})',
                   'name a folder of your own with XDG_CACHE_HOME')
  return _kept('media', f'latents of pictures are kept in {folder}')


def _kept(name: str, text: str) -> Finding:
  size = user_cache.bytes_kept(user_cache.root(name))
  return Finding('ok', f'{text}, {size / 1e6:.0f} MB of at most '
                 f'{user_cache.LARGEST[name] / 1e6:,.0f}; you may delete them')


def findings() -> Iterator[Finding]:
  """Every line of the report, in order."""
  versions = installed_versions(sys.path)
  yield check_python(sys.version_info[:3])
  yield machine()
  named = ('flamingo-jax', 'jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint',
           'numpy', 'tensorflow', 'seqio', 'tensorflow-datasets', 'protobuf')
  yield Finding('ok', ', '.join(
      f'{name} {versions[name]}' for name in named if name in versions))
  if asked := requirements():
    yield from check_requirements(asked, versions)
  else:
    yield Finding('BAD', 'flamingo_jax itself is not installed',
                  'pip install -e . -c constraints.txt')
  yield from check_overwritten(sys.path, versions)
  yield from check_jax_pair(versions)
  yield check_t5x()
  yield check_backend()
  yield check_compiled()
  yield check_media()
  yield from check_train_imports(versions)


def main() -> int:
  """Prints the report; 1 when a line is BAD, else 0."""
  bad = 0
  for finding in findings():
    print(finding, flush=True)
    bad += finding.status == 'BAD'
  if bad:
    print(f'{bad} thing{"s" if bad > 1 else ""} to fix')
  else:
    print('nothing to fix')
  return 1 if bad else 0
