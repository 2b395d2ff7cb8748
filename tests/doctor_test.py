# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo doctor recognises installations that are known not to work."""

import sys

from packaging.utils import canonicalize_name
import pytest

from flamingo_jax import cli
from flamingo_jax import doctor
from tests import command_examples


@pytest.fixture
def site(tmp_path):
  """Makes a folder of installed packages: site(name=version) -> [folder]."""

  def install(**versions):
    for name, version in versions.items():
      info = tmp_path / f'{name}-{version}.dist-info'
      info.mkdir()
      (info / 'METADATA').write_text(
          f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')
    return [str(tmp_path)]

  return install


def overwritten(path):
  return [*doctor.check_overwritten(path, doctor.installed_versions(path))]


def write_version(tmp_path, version):
  (tmp_path / 'seqio').mkdir()
  (tmp_path / 'seqio' / 'version.py').write_text(
      f"import os\n__version__ = '{version}'\n")


def test_tells_that_seqio_nightly_lies_over_seqio(site, tmp_path):
  write_version(tmp_path, '0.0.18.dev20230914')
  (finding,) = overwritten(site(seqio='0.0.20'))
  assert finding.status == 'BAD'
  assert '0.0.18.dev20230914' in finding.text and '0.0.20' in finding.text
  assert 'pip uninstall -y seqio-nightly' in finding.remedy


def test_seqio_as_released_is_fine(site, tmp_path):
  write_version(tmp_path, '0.0.20')
  assert not overwritten(site(seqio='0.0.20'))


@pytest.mark.parametrize('name', ['seqio_nightly', 'tfds_nightly', 't5'])
def test_names_the_package_that_overwrites_another(site, name):
  (finding,) = overwritten(site(**{name: '1.0'}))
  assert finding.status == 'BAD'
  assert canonicalize_name(name) in finding.text


@pytest.mark.parametrize('jaxlib', ['0.9.1', '0.10.3', '0.11.0'])
def test_tells_that_jaxlib_is_not_of_this_jax(site, jaxlib):
  versions = doctor.installed_versions(site(jax='0.10.2', jaxlib=jaxlib))
  (finding,) = doctor.check_jax_pair(versions)
  assert finding.status == 'BAD' and jaxlib in finding.text


def test_accepts_the_jaxlib_that_goes_with_jax(site):
  versions = doctor.installed_versions(
      site(jax='0.10.2', jaxlib='0.10.2', jax_cuda13_plugin='0.10.2'))
  assert not [*doctor.check_jax_pair(versions)]


def test_missing_core_is_bad_and_missing_extras_are_noted():
  requirements = ['jax[k8s] >=0.10.2', 'flax>=0.12.8', 'tqdm~=4.0,!=4.1',
                  'gone; python_version < "3"', 'av; extra == "train"',
                  'av; extra == "test"', 'pytest; extra == "test"',
                  'Clu.x==1 ; extra == "train"', 'tqdm==3.0; extra == "beam"']
  versions = {'jax': '0.10.2rc1', 'tqdm': '4.1', 'clu-x': '1.0.0'}
  found = [*doctor.check_requirements(requirements, versions)]
  assert [(f.status, f.text) for f in found] == [
      ('BAD', 'jax 0.10.2rc1 is installed, but >=0.10.2 is needed'),
      ('BAD', 'tqdm 4.1 is installed, but !=4.1,~=4.0 is needed'),
      ('BAD', 'missing: flax'),
      ('note', 'training also needs av'),
      ('note', 'testing also needs pytest'),
  ]
  assert all('pip install' in f.remedy for f in found)


@pytest.mark.parametrize('module, told', [
    ('ada_url.parse', "ada_url, which is not installed; run pip install -e "
     "'.[prepare]' -c constraints.txt"),
    ('cv2', 'cv2, which is not installed; run flamingo doctor'),
])
def test_a_module_that_is_missing_names_its_extra(module, told):
  asked = ['ada-url; extra == "prepare"', 'ada-url; extra == "test"', 'cv2']
  assert told in doctor.not_installed(module, asked)


@pytest.mark.parametrize('version, status', [
    ((3, 10, 9), 'BAD'), ((3, 11, 0), 'ok'), ((3, 13, 1), 'ok'),
    ((3, 14, 0), 'note'),
])
def test_knows_which_python_it_needs(version, status):
  assert doctor.check_python(version).status == status


def test_a_package_that_does_not_import_is_told_by_its_last_line():
  output, error = doctor.run_python('print(1)\nraise RuntimeError("too old")')
  assert (output, error) == ('', 'RuntimeError: too old')


def test_finds_nothing_to_fix_in_the_tested_environment(capsys):
  status = cli.main(command_examples.arguments('doctor'))
  output = capsys.readouterr().out
  assert status == 0, output
  assert 'backend cpu, 8 devices' in output
  assert f'Python {sys.version_info[0]}.{sys.version_info[1]}' in output


def test_t5x_without_its_siblings_is_told(monkeypatch):
  names = ('t5x_of_this_test', 'airio_of_this_test')
  monkeypatch.setattr(doctor, 'T5X', ('t5x', *names))
  found = {'t5x': None}
  monkeypatch.setattr(doctor.importlib.util, 'find_spec', found.get)
  assert doctor.check_t5x().status == 'note'
  found |= {'t5x': 't5x', names[0]: 'there'}
  assert doctor.check_t5x() == doctor.Finding(
      'BAD', 't5x needs airio_of_this_test',
      'docs/t5x.md says how to install it')
  found[names[1]] = 'there'
  assert doctor.check_t5x().status == 'ok'
