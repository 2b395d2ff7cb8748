# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Hook of mkdocs: pages that are made of README.md, the code and figures."""

import pathlib
import posixpath
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from flamingo_jax.data import quiet_tensorflow

quiet_tensorflow.load()  # before anything else imports TensorFlow

from launch import drawings
from launch import reference

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Files beside docs/ that are pages of the site.
PAGES = {
    'README.md': 'index.md', 'CONTRIBUTING.md': 'contributing.md',
    'CHANGELOG.md': 'changelog.md', 'SECURITY.md': 'security.md',
}
# Code that fits on a line of a phone: it stays on one line, as browsers would
# otherwise break it behind the dashes of a flag.
_SHORT = re.compile(r'<code>([^<>\n]{1,24})</code>')
_LINK = re.compile(r'(!?)\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)')


def on_files(files: Files, config: MkDocsConfig) -> Files:
  """Adds what is made."""
  made = {
      page: site_links((ROOT / name).read_text(encoding='utf-8'), '')
      for name, page in PAGES.items()
  }
  for name, content in (made | reference.pages() | drawings.files()).items():
    files.append(File.generated(config, name, content=content))
  return files


def on_page_markdown(markdown: str, page, **_) -> str:
  """Links of docs/ to files beside it, as they are read on the site."""
  if page.file.generated_by:
    return markdown
  return site_links(markdown, 'docs')


def on_page_content(content: str, **_) -> str:
  """Short code stays on one line."""
  return _SHORT.sub(r'<code class="short">\1</code>', content)


def site_links(markdown: str, folder: str) -> str:
  """Links of a file in a folder of the repository to those of the site.

  A link to a file that is no page of the site becomes its text.
  """
  def replace(match):
    image, text, path, anchor = match.groups(default='')
    path = posixpath.normpath(posixpath.join(folder, path))
    if path in PAGES:
      path = PAGES[path]
    elif path.startswith('docs/'):
      path = path.removeprefix('docs/')
    elif (ROOT / path).exists():
      return text
    return f'{image}[{text}]({path}{anchor})'

  markdown = _LINK.sub(replace, markdown)
  return markdown.replace('<img src="docs/', '<img src="')
