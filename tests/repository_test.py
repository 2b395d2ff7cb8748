# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What every file of the repository keeps to (CONTRIBUTING.md)."""

import ast
import functools
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ('flamingo_jax', 'tasks', 'configs', 'ablations', 'launch',
           'benchmarks', 'tests', '.ci')
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
    ('typing|errors|picture_size|opening|option_values|own_code|own_objects|'
     'machine|sharding|user_cache|compiled|progress|broken_pipe|shipped|'
     'gin_search|gin_macros|html_page', 0),
    ('models', 1),
    ('data', 1),
    ('decoding', 2),
    ('ablations', 2),  # linked into the package, as tasks and configs
    ('prepare', 2),
    ('training', 3),
    ('run_dir', 4),
    ('predictor|convert', 5),
    ('evaluation', 6),
    ('serving', 6),
    ('driver', 7),
    ('t5x_adapter', 8),
    ('runtime|gin_config|planning', 9),
    ('train|eval|infer|series|ablation|grid|gin_program|commands|cli|'
     'doctor', 10),
    ('tasks|configs', 11),  # linked into the package, to be installed with it
)
SIBLINGS = ({'models', 'data'},)


def check(rule, paths):
  """Fails with all that a rule finds wrong, each with its file."""
  found = [f'{path.relative_to(ROOT).as_posix()}: {problem}'
           for path in paths for problem in rule(path)]
  assert not found, '\n'.join(found)


@functools.cache
def read(path):
  return path.read_text(encoding='utf-8')


@functools.cache
def parse(path):
  return ast.parse(read(path), str(path))


def test_files_are_licensed_short_and_well_named():
  check(problems_of_file, PYTHON)


def problems_of_file(path):
  if not read(path).startswith(HEADER):
    yield 'begins without the two lines of the licence'
  if read(path).count('\n') > 400:
    yield 'has more than 400 lines: two concepts? make it two files'
  if path.stem in ('utils', 'util', 'helpers', 'helper', 'common', 'misc',
                   'base'):
    yield 'is named after no concept'
  if not ast.get_docstring(parse(path)):
    yield 'has no line that says what the file is'


def test_functions_are_short():
  check(long_functions, PYTHON)


def long_functions(path):
  for node in ast.walk(parse(path)):
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
      length = node.end_lineno - node.lineno + 1
      if length > 80:
        yield f'{node.name} has {length} lines'


def test_everything_public_is_documented():
  check(lambda path: (
      f'{name} has no docstring'
      for name, node in public_definitions(parse(path))
      if not ast.get_docstring(node)
  ), PACKAGE)


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


def test_no_file_names_a_path_of_a_machine_or_a_registry():
  check(places, FILES)


def places(path):
  for number, line in enumerate(read(path).splitlines(), 1):
    if str(ROOT) in line or re.search(
        r'(?<![\w.])/(root|home|work|Users)/|py[p]i\.org|pythonhoste[d]', line
    ):
      yield f'line {number}: {line.strip()}'


def test_imports_run_downwards():
  check(wrong_imports, PACKAGE)


def wrong_imports(path):
  module = module_name(path)
  own = layer(module)
  if own is None:
    yield f'{module} has no layer yet: add it to LAYERS'
    return
  for name in imported(path):
    top = name.split('.')[0]
    if (top in ('tasks', 'configs', 'ablations', 'launch', 'tests', 'benchmarks')
        or top == 't5x' and not module.startswith('flamingo_jax.t5x_adapter.')
        or top == 'torch' and not module.startswith('flamingo_jax.convert')):
      yield f'imports {name}'
    elif top == 'flamingo_jax':
      if (layer(name) or 0) > own:  # of a module without one its file tells
        yield f'imports {name}, which is of a higher layer'
      pair = {folder(module), folder(name)}
      if len(pair) == 2 and any(pair <= group for group in SIBLINGS):
        yield f'imports {name}, which stands beside it'


def test_tasks_use_data_and_evaluation_alone():
  check(lambda path: (
      f'imports {name}' for name in imported(path)
      if name.split('.')[0] in ('flamingo_jax', 'tasks') and not re.match(
          r'flamingo_jax\.(data|evaluation|tasks|typing|errors|shipped)\b', name)
  ), [path for path in PYTHON if path.is_relative_to(ROOT / 'tasks')])


def test_ablations_are_built_from_models_alone():
  check(lambda path: (
      f'imports {name}' for name in imported(path)
      if name.split('.')[0] in ('flamingo_jax', 'ablations') and not re.match(
          r'flamingo_jax\.(models|ablations|typing|errors)\b', name)
  ), [path for path in PYTHON if path.is_relative_to(ROOT / 'ablations')])


def test_modules_have_one_name():
  # Imported as `tasks` too, a module would register its tasks twice.
  check(lambda path: (
      f'line {number}: {line.strip()}'
      for number, line in enumerate(read(path).splitlines(), 1)
      if re.match(r'\s*(from|import) (tasks|configs|ablations)\b', line)
  ), [path for path in FILES if path.suffix in ('.py', '.gin')])


def module_name(path):
  name = '.'.join(path.relative_to(ROOT).with_suffix('').parts)
  return name.removesuffix('.__init__')


def folder(module):
  return (module + '.').split('.')[1]


def layer(module):
  """The layer of a module of the package; None if it has none yet."""
  name = module.removeprefix('flamingo_jax').removeprefix('.')
  if not name:  # the package itself imports none of its modules
    return 0
  for pattern, number in LAYERS:
    if re.match(rf'({pattern})(\.|$)', name):
      return number
  return None


def imported(path):
  """Full names of all modules that a file imports, wherever it does."""
  for node in ast.walk(parse(path)):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f'{path}: say the full name of the module'
      for alias in node.names:
        name = f'{node.module}.{alias.name}'
        yield name if is_module(name) else node.module


def is_module(name):
  place = ROOT.joinpath(*name.split('.'))
  return place.with_suffix('.py').is_file() or place.is_dir()
