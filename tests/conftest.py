# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Eight CPU devices and run-time shape checks for every test."""

import functools
import gc
import inspect
import os
import sys
import tempfile
import typing

from tests import forked
from tests.xla_flags import EIGHT_DEVICES, QUICK

# All of this has to be settled before jax and TensorFlow are imported.
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['XLA_FLAGS'] = ' '.join(
    [os.environ.get('XLA_FLAGS', ''), EIGHT_DEVICES, QUICK]
)
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('CUDA_VISIBLE_DEVICES', '-1')
os.environ.setdefault('MPLBACKEND', 'agg')
# What `flamingo eval` keeps of pictures goes with it; Matplotlib would look for all
# fonts again.
if 'XDG_CACHE_HOME' not in os.environ:
  _kept = tempfile.TemporaryDirectory()
  os.environ['XDG_CACHE_HOME'] = _kept.name
  os.environ.setdefault(
      'MPLCONFIGDIR', os.path.expanduser('~/.cache/matplotlib')
  )
# Nobody reads where in our code each operation of a program comes from.
os.environ.setdefault('JAX_TRACEBACK_IN_LOCATIONS_LIMIT', '0')
# A step that several tests compile is compiled once, in whichever worker or
# program; the folder goes when this run of the tests ends.
if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
  _compiled = tempfile.TemporaryDirectory()
  os.environ['JAX_COMPILATION_CACHE_DIR'] = _compiled.name
  os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0.1'

# The trees of what is traced are many objects and few are garbage.
gc.set_threshold(100_000, 50, 100)

# Each of several workers comes to import it. What is imported by a module that
# the hook loads is compiled anew, all of TensorFlow too: before the hook, then.
if 'PYTEST_XDIST_WORKER' in os.environ:
  import seqio  # pylint: disable=unused-import

import jaxtyping
import pytest

# Checks the shape of every annotated argument and result. Has to come before
# the first import of flamingo_jax.
jaxtyping.install_import_hook('flamingo_jax', 'beartype.beartype')


def _names_shapes(annotation):
  """Whether an annotation has, or may have, an array's shape somewhere."""
  module = getattr(annotation, '__module__', None) or ''
  return (
      isinstance(annotation, str) or module.startswith('jaxtyping')
      or any(map(_names_shapes, typing.get_args(annotation)))
  )


def _jaxtyped(whole, *, typechecker):
  """`jaxtyping.jaxtyped`, but for functions without shapes beartype alone.

  It binds the arguments of every call, of which shapes have need. And those
  inside of others, which each call of them makes anew, often say nothing.
  """

  def decorate(function):
    annotations = getattr(function, '__annotations__', {}).values()
    if inspect.isfunction(function) and not annotations:
      return function
    if inspect.isfunction(function) and not any(
        map(_names_shapes, annotations)
    ):
      return typechecker(function)
    return whole(typechecker=typechecker)(function)

  return decorate


jaxtyping.jaxtyped = functools.partial(_jaxtyped, jaxtyping.jaxtyped)


# Of more than a quarter of a minute, the longest first; but configs, which leaves
# a second `train` to gin, behind t5x/train and t5x/fewshot, which name it shortly.
_LONGEST = tuple(f'tests/{name}_test.py' for name in (
    't5x/train', 'driver/loop', 't5x/fewshot', 'driver/processes', 'configs',
    'cli', 't5x/eval', 'notebook', 't5x/towers', 'predictor/mesh',
    'convert/open_flamingo', 'convert/language_models', 't5x/public_towers',
    'zoo', 'convert/mesh', 'run_dir/checkpoint', 'run_dir/pretrained',
    'predictor/predictor', 'training/partitioner', 'evaluation/seqio_scores',
    'evaluation/cards', 'evaluation/paper_benchmarks', 'predictor/kept',
    'evaluation/examples', 'models/flamingo', 'training/language_model',
    'readme', 'training/contrastive', 'training/accumulate', 't5x/lower',
    'data/global_order', 'data/pipeline', 'own_code',
))


def pytest_configure(config):
  """All workers have the programs they ask for from one server."""
  is_worker = 'PYTEST_XDIST_WORKER' in os.environ
  if getattr(config.option, 'numprocesses', None) and not is_worker:
    forked.share()


def pytest_collection_modifyitems(items):
  """Long files begin early: none is left to one worker at the end."""
  files = {name: place for place, name in enumerate(_LONGEST)}
  items.sort(key=lambda item: files.get(item.location[0], len(files)))
  gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
  """What a file leaves, modules and compiled programs, is searched once.

  Where our code collects garbage, it is then among what this file makes.
  """
  result = yield
  if nextitem is None or nextitem.location[0] != item.location[0]:
    gc.collect()
    gc.freeze()
  return result


@pytest.fixture
def this_is_main(request, monkeypatch):
  """Gin files import the driver from `__main__`: here it is the test's module.
  """
  import gin

  monkeypatch.setitem(sys.modules, '__main__', request.module)
  gin.clear_config()
  yield
  gin.clear_config()


@pytest.fixture(scope='session')
def papers_data(tmp_path_factory):
  """A DATA_DIR for the large mixtures."""
  from flamingo_jax.data import documents
  from tests import shards

  directory = tmp_path_factory.mktemp('papers_data')
  found = [documents.Document(('some text',), 'test', i) for i in range(8)]
  for task in (
      'm3w', 'align', 'ltip', 'vtp', 'massive_web', 'books', 'c4', 'news',
      'github', 'wikipedia', 'obelics', 'laion',
  ):
    shards.write_shards(found, directory / task / 'train')
  return directory
