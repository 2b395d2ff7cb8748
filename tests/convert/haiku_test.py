# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""NFNets of DeepMind's haiku files, which are pickles.

references/record_haiku.py made the references.
"""

import dataclasses
import json
import pathlib
import pickle
import sys
import types

import jax
import numpy as np
import pytest

from flamingo_jax import cli
from flamingo_jax.convert import nfnet as conversion
from flamingo_jax.errors import UserError
from flamingo_jax.models import nfnet
from flamingo_jax.picture_size import Squaring
from flamingo_jax.run_dir.towers import tower_overrides
from tests.convert.reference_weights import values
from tests.convert.timm_test import features
from tests.convert.vision_encoders_test import pictures, read_encoder

REFERENCES = pathlib.Path(__file__).parent / 'references'
SHAPES = json.loads((REFERENCES / 'haiku.json').read_text())
FEATURES = np.load(REFERENCES / 'haiku.npz')['grid']
# As record_haiku.py has it.
nfnet.NFNETS['of_haiku'] = nfnet.NFNetConfig(
    depths=(2, 3), widths=(32, 48), strides=(1, 2), stem=(16, 32, 64, 16),
    group_width=8,
)
conversion.TEST_SIZES['of_haiku'] = 21


class FlatMapping(dict):
  """As haiku pickles it: its class and a dict."""

  def __reduce__(self):
    return FlatMapping, (dict(self),)


def _import_module():
  """Of dill, to be named."""


def _get_attr():
  """Of dill."""


def _create_array():
  """Of dill."""


@dataclasses.dataclass
class Reduced:
  """What is pickled as this call, with a state."""

  call: tuple

  def __call__(self):
    """Pickle wants what it calls to be callable."""

  def __reduce__(self):
    return self.call


def of_old_dill(array):
  """As dill 0.3.3 pickles an array, and DeepMind's files have it."""
  make, args, state = array.__reduce__()
  module = Reduced((_import_module, ('numpy.core._multiarray_umath',)))
  make = Reduced((_get_attr, (module, '_reconstruct')))
  return Reduced((make, args, state))


def of_dill(array):
  """As dill 0.4 does."""
  return Reduced((_create_array, (*array.__reduce__(), None)))


@pytest.fixture
def haiku(monkeypatch):
  """Modules that pickle finds the classes in."""
  for path, members in (
      ('haiku._src.data_structures', [FlatMapping]),
      ('dill._dill', [_import_module, _get_attr, _create_array]),
  ):
    module = types.ModuleType(path)
    for member in members:
      monkeypatch.setattr(member, '__module__', path)
      setattr(module, member.__name__, member)
    parts = path.split('.')
    for i in range(len(parts)):
      monkeypatch.setitem(sys.modules, '.'.join(parts[: i + 1]), module)


def parameters(of_array=lambda array: array):
  return FlatMapping({
      module: FlatMapping({
          name: of_array(values(f'{module}/{name}', tuple(shape)))
          for name, shape in shapes.items()
      }) for module, shapes in SHAPES.items()
  })


def write_haiku(folder, tree, protocol=3):
  (folder / 'F0_haiku.npz').write_bytes(pickle.dumps(tree, protocol))
  return folder


@pytest.fixture(scope='module')
def read(tmp_path_factory):
  """The parameters of our encoder, of plain dicts of arrays."""
  tree = {module: {**of} for module, of in parameters().items()}
  return read_encoder(write_haiku(tmp_path_factory.mktemp('plain'), tree))


def test_features_are_those_of_deepmind(read):
  config, params, unread = read
  assert set(unread) == {'NFNet/~/linear/w', 'NFNet/~/linear/b'}
  found = features(config, params, pictures(21))
  np.testing.assert_allclose(found, FEATURES, atol=5e-5)


@pytest.mark.parametrize('protocol, of_array', [
    (2, np.asarray), (5, np.asarray), (3, of_old_dill), (4, of_dill),
])
def test_however_it_is_pickled_it_is_the_same(
    haiku, tmp_path, read, protocol, of_array
):
  config, params, _ = read_encoder(
      write_haiku(tmp_path, parameters(of_array), protocol)
  )
  assert config == read[0]
  jax.tree.map(np.testing.assert_array_equal, params, read[1])


def test_a_tower_comes_with_its_size(haiku, tmp_path, capsys):
  folder = tmp_path / 'deepmind'
  folder.mkdir()
  write_haiku(folder, parameters())
  tower = tmp_path / 'tower'
  assert cli.main(['convert', str(folder), f'--out={tower}']) == 0
  said = capsys.readouterr().out
  assert '3 x 3 features of width 96 of pictures of 21 x 21' in said
  assert 'left out, as no part of the tower, tensors named NFNet/~/linear/' in said
  overrides = tower_overrides(str(tower), '')
  assert overrides['vision'] == dataclasses.replace(
      nfnet.NFNETS['of_haiku'], squaring=Squaring('stretched', shorter=53)
  )
  assert overrides['image_size'] == 21


def attribute_of(module, name):
  """As dill asks for it."""
  return Reduced((_get_attr, (Reduced((_import_module, (module,))), name)))


@pytest.mark.parametrize('make', [
    lambda path: Reduced((exec, (f'open({str(path)!r}, "w")',))),
    lambda path: Reduced((pathlib.Path.touch, (path,))),
    lambda path: {'NFNet': {'w': Reduced((np.save, (str(path), 3)))}},
    lambda path: Reduced((np.ndarray.tofile, (np.zeros(3), str(path)))),
    lambda path: Reduced((attribute_of('os', 'mkdir'), (str(path),))),
    lambda path: Reduced((_create_array, (open, (str(path), 'w'), ()))),
])
def test_a_malicious_pickle_runs_nothing(haiku, tmp_path, make):
  folder = write_haiku(tmp_path, make(tmp_path / 'run'))
  with pytest.raises(UserError, match='_haiku.npz cannot be .*, which is not run'):
    read_encoder(folder)
  assert not (tmp_path / 'run').exists()


def cut(folder):
  path = folder / 'F0_haiku.npz'
  path.write_bytes(path.read_bytes()[:-100])


def change(module, name, value):
  def write(folder):
    tree = parameters()
    tree[module] = {**tree[module], name: value}
    write_haiku(folder, tree)
  return write


@pytest.mark.parametrize('damage, words', [
    (cut, 'cannot be read as pickled parameters'),
    (lambda f: write_haiku(f, [3]), 'holds no parameters of haiku'),
    (lambda f: write_haiku(f, {'a': np.zeros(3)}), 'holds no parameters'),
    (lambda f: write_haiku(f, {'a': {'w': 3}}), 'a/w is not an array'),
    (lambda f: write_haiku(f, {'a': {'w': np.zeros(3)}}), 'holds 0 blocks of an'),
    (lambda f: (f / 'F1_haiku.npz').touch(), r'2 files \*_haiku.npz'),
    (change('NFNet/~/stem_conv0', 'w', np.zeros((3, 3, 3, 8), np.float32)),
     r'stem_conv0/w makes .*\[3, 3, 3, 8\].*\[3, 3, 3, 16\]'),
    (change('NFNet/~/stem_conv0', 'w', np.zeros((3, 3, 3, 16), np.float64)),
     'stem_conv0/w is of type f8'),
    (change('NFNet/~/stem_conv0', 'b', np.zeros(16, np.float32)),
     "1 tensors that are not known .* 'NFNet/~/stem_conv0/b'"),
])
def test_what_is_not_understood_is_told(haiku, tmp_path, damage, words):
  write_haiku(tmp_path, parameters())
  damage(tmp_path)
  with pytest.raises(UserError, match=words):
    read_encoder(tmp_path)


def test_bytes_of_any_order_are_read(haiku, tmp_path):
  tree = parameters()
  module = 'NFNet/~/final_conv'
  swapped = np.asfortranarray(tree[module]['w'].astype('>f4'))
  change(module, 'w', swapped)(tmp_path)
  _, params, _ = read_encoder(tmp_path)
  np.testing.assert_array_equal(params['final_conv']['kernel'], swapped)
