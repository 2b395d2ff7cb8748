# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What every file of the repository keeps to (CONTRIBUTING.md)."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ('flamingo_jax', 'tasks', 'configs', 'launch', 'benchmarks', 'tests',
           '.ci')
TEXT = ('.py', '.gin', '.sh', '.md', '.txt', '.toml', '', '.jsonl')
HEADER = ('# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors\n'
          '# SPDX-License-Identifier: Apache-2.0\n')

FILES = sorted(
    path
    for path in [*ROOT.glob('*'), *(f for folder in FOLDERS
                                    for f in (ROOT / folder).rglob('*'))]
    if path.is_file() and path.suffix in TEXT
    and '__pycache__' not in path.parts
    and path.name != '.git'  # a file in git's further work trees
    and not ('weights' in path.parts and path.parent.name == 'd')  # arrays
)
PYTHON = [path for path in FILES if path.suffix == '.py']
PACKAGE = [path for path in PYTHON if path.is_relative_to(ROOT / 'flamingo_jax')]

# Imports run downwards: a module imports only modules of lower layers, or of
# its own. The first pattern that matches counts.
LAYERS = (
    ('typing|errors|machine|sharding|broken_pipe|shipped', 0),
    ('models', 1),
    ('data', 1),
    ('losses|decoding', 2),
    ('prepare|convert', 2),
    (r'training\.loop', 6),
    (r'training', 4),
    ('evaluation', 5),
    ('predictor', 5),
    ('t5x_adapter', 6),
    ('runtime|gin_config|planning', 7),
    ('train|eval|infer|ablation|program|commands|cli|doctor', 8),
)
SIBLINGS = ({'models', 'data'}, {'losses', 'decoding'}, {'prepare', 'convert'})


def relative(path):
  return path.relative_to(ROOT).as_posix()


def parametrize(paths):
  return pytest.mark.parametrize('path', paths, ids=relative)


def parse(path):
  return ast.parse(path.read_text(encoding='utf-8'))


@parametrize(PYTHON)
def test_file_is_licensed_short_and_well_named(path):
  text = path.read_text(encoding='utf-8')
  assert text.startswith(HEADER)
  assert text.count('\n') <= 400, 'two concepts? make it two files'
  assert path.stem not in ('utils', 'util', 'helpers', 'helper', 'common',
                           'misc', 'base')
  assert ast.get_docstring(parse(path)), 'one line that says what the file is'


@parametrize(PYTHON)
def test_functions_are_short(path):
  for node in ast.walk(parse(path)):
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
      length = node.end_lineno - node.lineno + 1
      assert length <= 80, f'{node.name} has {length} lines'


@parametrize(PACKAGE)
def test_everything_public_is_documented(path):
  missing = [name for name, node in public_definitions(parse(path))
             if not ast.get_docstring(node)]
  assert not missing


def public_definitions(tree, prefix=''):
  """(name, node) of public functions, classes and their methods.

  A class with a base inherits what the documentation of its methods says.
  """
  for node in tree.body:
    if (isinstance(node, (ast.FunctionDef, ast.ClassDef))
        and not node.name.startswith('_')):
      yield prefix + node.name, node
      if isinstance(node, ast.ClassDef) and not node.bases:
        yield from public_definitions(node, f'{node.name}.')


@parametrize(FILES)
def test_names_no_path_of_a_machine_and_no_registry(path):
  text = path.read_text(encoding='utf-8')
  found = re.search(r'(?<![\w.])/(root|home|work|Users)/|py[p]i\.org|'
                    r'pythonhoste[d]', text)
  assert not found, text[max(0, found.start() - 40):found.end() + 40]
  assert str(ROOT) not in text


@parametrize(PACKAGE)
def test_imports_run_downwards(path):
  module = module_name(path)
  for name in imported(path):
    top = name.split('.')[0]
    assert top not in ('tasks', 'configs', 'launch', 'tests', 'benchmarks')
    # Linked into the package to be installed with it, and above all of it.
    assert not re.match(r'flamingo_jax\.(tasks|configs)\b', name), name
    if top == 't5x':
      assert module.startswith('flamingo_jax.t5x_adapter.')
    if top == 'torch':
      assert module.startswith('flamingo_jax.convert')
    if top == 'flamingo_jax' and module != 'flamingo_jax':
      assert layer(name) is None or layer(name) <= layer(module), (
          f'{module} imports {name}')
      for group in SIBLINGS:
        pair = {folder(module), folder(name)}
        assert not (len(pair) == 2 and pair <= group), f'{module} and {name}'


@parametrize([p for p in PYTHON if p.is_relative_to(ROOT / 'tasks')])
def test_tasks_use_data_and_evaluation_alone(path):
  for name in imported(path):
    if name.startswith('flamingo_jax'):
      assert re.match(
          r'flamingo_jax\.(data|evaluation|tasks|typing|errors)\b', name), name
    assert name.split('.')[0] != 'tasks', 'another module of the same file'


def module_name(path):
  name = '.'.join(path.relative_to(ROOT).with_suffix('').parts)
  return name.removesuffix('.__init__')


def folder(module):
  return (module + '.').split('.')[1]


def layer(module):
  """The layer of a module of the package; None for the package itself."""
  name = module.removeprefix('flamingo_jax').removeprefix('.')
  if not name:
    return None
  for pattern, number in LAYERS:
    if re.match(rf'({pattern})(\.|$)', name):
      return number
  raise AssertionError(f'{module} has no layer yet: add it to LAYERS')


def imported(path):
  """Full names of all modules that a file imports, wherever it does."""
  for node in ast.walk(parse(path)):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, 'say the full name of the module'
      for alias in node.names:
        name = f'{node.module}.{alias.name}'
        yield name if is_module(name) else node.module


def is_module(name):
  place = ROOT.joinpath(*name.split('.'))
  return place.with_suffix('.py').is_file() or place.is_dir()
