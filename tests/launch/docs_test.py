# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The documentation as a site: no link leads nowhere, no flag is missing."""

import argparse
import json
import pathlib
import re

from mkdocs import exceptions
from mkdocs.commands import build
from mkdocs.config import load_config
import pytest
import yaml

from flamingo_jax import cli
from flamingo_jax import gin_macros
from launch import docs_hook
from launch import drawings
from launch import reference

ROOT = pathlib.Path(__file__).parents[2]
GIN_FILES = sorted((ROOT / 'configs').glob('*.gin'))


@pytest.fixture(scope='module')
def site(tmp_path_factory):
  """The whole site, from this tree; a warning fails."""
  folder = tmp_path_factory.mktemp('site')
  config = load_config(str(ROOT / 'mkdocs.yml'), site_dir=str(folder))
  config.plugins.on_startup(command='build', dirty=False)
  build.build(config)
  return folder


def words(page):
  """The text of a page of the site."""
  return re.sub(r'<[^>]+>', '', page.read_text(encoding='utf-8'))


def test_every_page_is_in_the_site_and_found_by_its_words(site):
  index = json.loads((site / 'search' / 'search_index.json').read_text())
  found = {entry['location'].partition('#')[0] for entry in index['docs']}
  pages = {
      f'{path.stem}/' for path in (ROOT / 'docs').glob('*.md')
  } | {name.replace('.md', '/') for name in reference.pages()}
  assert pages <= found
  text = ' '.join(entry['title'] + entry['text'] for entry in index['docs'])
  for word in ('Out of memory', 'visible_latents', '--cache_media'):
    assert word in text


def test_the_api_is_what_docstrings_say(site):
  text = words(site / 'reference' / 'python' / 'index.html')
  assert 'which checkpoint; None: the newest' in text  # of fj.load
  text = words(site / 'reference' / 'evaluation' / 'index.html')
  assert 'as commands have it, and of its folder' in text  # beside a field


def make(folder, markdown):
  """A page by itself, under the rules of mkdocs.yml."""
  (folder / 'docs').mkdir()
  (folder / 'docs' / 'index.md').write_text(f'# Start\n\n{markdown}\n')
  (folder / 'mkdocs.yml').write_text('site_name: x\n')
  ours = yaml.safe_load((ROOT / 'mkdocs.yml').read_text())
  build.build(load_config(
      str(folder / 'mkdocs.yml'), plugins=[], site_dir=str(folder / 'site'),
      strict=ours['strict'], validation=ours['validation'],
  ))


def test_a_link_that_leads_somewhere_is_none(tmp_path):
  make(tmp_path, '[x](#start)')


@pytest.mark.parametrize('markdown', [
    '[x](nowhere.md)', '[x](index.md#nowhere)', '[x](/index.md)', '![x](x.png)',
])
def test_a_link_that_leads_nowhere_is_an_error(tmp_path, markdown):
  with pytest.raises(exceptions.Abort, match='1 warnings in strict mode'):
    make(tmp_path, markdown)


def test_links_are_those_of_the_site():
  links = docs_hook.site_links
  assert links('[a](docs/towers.md#x)', '') == '[a](towers.md#x)'
  assert links('![a](docs/b/c.png)', '') == '![a](b/c.png)'
  assert links('[a](../README.md#try-it)', 'docs') == '[a](index.md#try-it)'
  assert links('[a](towers.md)', 'docs') == '[a](towers.md)'
  assert links('[a](LICENSE)', '') == 'a'  # no page of the site
  assert links('[a](nowhere.md)', '') == '[a](nowhere.md)'
  same = '[a](https://a.b/docs/c.md) and [b](#c)'
  assert links(same, '') == same


def leaves(parser):
  for action in parser._actions:
    if isinstance(action, argparse._SubParsersAction):
      for inner in action.choices.values():
        yield inner
        yield from leaves(inner)


def test_every_flag_of_every_command_is_in_the_reference():
  parser = cli.make_parser()
  sections = re.split('^## ', reference.commands(parser), flags=re.M)[1:]
  found = {section.partition('\n')[0]: section for section in sections}
  programs = list(leaves(parser))
  assert {program.prog for program in programs} == found.keys()
  for program in programs:
    for flag in re.findall(r'^ +(--\w+)', program.format_help(), re.M):
      if flag != '--help':
        assert f'`{flag}' in found[program.prog], (program.prog, flag)


@pytest.mark.parametrize('path', GIN_FILES, ids=lambda path: path.stem)
def test_every_name_of_a_configuration_is_in_the_reference(path):
  name = path.relative_to(ROOT).as_posix()
  chain = reference.chain(name)
  assert chain.keys() == gin_macros.read([name]).keys()
  for macro, value in gin_macros.read([name]).items():
    assert reference.meaning(macro, chain[macro]), f'{macro} has no comment'
    if isinstance(value, int):
      shown = chain[macro][0].value
      assert value == gin_macros._literal(shown) or shown.startswith('%')


def test_figures_have_the_numbers_of_the_code():
  parts = drawings.parts_of('flamingo_tiny')
  whole = drawings.count(drawings.shapes_of('flamingo_tiny'))
  assert sum(number for number, _ in parts.values()) == whole
  assert parts['gated blocks'][0] > parts['resampler'][0] > 0
  one = drawings.kept('flamingo_tiny', shots=0, tokens=10)
  more = drawings.kept('flamingo_tiny', shots=7, tokens=20)
  assert more['last'] == one['last'] and more['media'] == 8 * one['media']
  assert more['text'] == 2 * one['text']
  # 3 blocks of 8 heads of 16, keys and values, of 4 latents, in float32.
  assert one['last'] == 3 * 8 * 16 * 2 * 4 * 4
