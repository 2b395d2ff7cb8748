# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of our HTML pages for docs/, taken in headless Chromium.

  python -m launch.screenshots docs/images [runs/quickstart]

writes preview.png (`flamingo check --html`) and gallery.png (the examples beside
a score) and, of a run of launch/quickstart.sh, report.png. Photographs are those
that come with scikit-image (`pip install -e '.[test]'`).
"""

from collections.abc import Sequence
import contextlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

from flamingo_jax.data import quiet_tensorflow

if __name__ == '__main__':  # before anything else imports TensorFlow
  quiet_tensorflow.load()

import PIL.Image
from skimage import data

from flamingo_jax import cli
from flamingo_jax import errors
from flamingo_jax import predictor
from flamingo_jax.evaluation import gallery
from launch import quickstart

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')
COLOURS = 128  # of a picture: text and flat areas
# Of names of scikit-image's photographs and texts; 'attic' is missing.
DOCUMENTS = (
    ('A tabby cat looks past the camera.', 'chelsea'),
    ('chelsea', 'Chelsea, a cat.', 'coffee', 'A cup of coffee.', 'rocket',
     'A rocket before its start, at night.'),
    ('coffee', 'An espresso in a red cup on a wooden table.'),
    ('Two pictures of space.', 'hubble_deep_field', 'Galaxies, far away.',
     'moon', 'Craters on the moon.'),
    ('attic', 'A room under the roof.'),
    ('astronaut', 'An astronaut in an orange suit smiles.'),
)


def browser() -> str:
  """The first browser on PATH."""
  found = filter(None, map(shutil.which, BROWSERS))
  path = next(found, None)
  if path is None:
    raise errors.UserError(
        f'none of {", ".join(BROWSERS)} is on PATH: install one (Debian, '
        'Ubuntu: apt install chromium)'
    )
  return path


def shoot(
    page: pathlib.Path, picture: pathlib.Path, width: int, height: int
) -> None:
  """The top of a page, as a PNG of few colours."""
  with tempfile.TemporaryDirectory() as folder:
    taken = pathlib.Path(folder, 'taken.png')
    subprocess.run(
        [browser(), '--headless', '--no-sandbox', '--disable-gpu',
         '--hide-scrollbars', f'--window-size={width},{height}',
         f'--screenshot={taken}', page.resolve().as_uri()],
        check=True, capture_output=True,
    )
    with PIL.Image.open(taken) as pixels:
      small = pixels.convert('RGB').quantize(COLOURS)
  small.save(picture, optimize=True)
  print(f'{picture}: {picture.stat().st_size / 1000:.0f} kB')


def make_preview(folder: pathlib.Path) -> pathlib.Path:
  """Writes documents of photographs, and the page of `flamingo check`."""
  (folder / 'photos').mkdir()
  lines = []
  for document in DOCUMENTS:
    parts = []
    for part in document:
      name = f'photos/{part}.jpg'
      if ' ' in part:
        parts.append({'text': part})
        continue
      parts.append({'image': name})
      if hasattr(data, part):
        picture = PIL.Image.fromarray(getattr(data, part)()).convert('RGB')
        picture.save(folder / name)
    lines.append(json.dumps({'parts': parts}))
  (folder / 'pairs.jsonl').write_text('\n'.join(lines), encoding='utf-8')
  with contextlib.chdir(folder):  # its name is in the page
    cli.main(['check', 'pairs.jsonl', '--html=preview.html', '--gin.MEDIA=3'])
  return folder / 'preview.html'


def make_gallery(folder: pathlib.Path) -> pathlib.Path:
  """Writes episodes that the shipped model has answered."""
  examples = quickstart.answer_episodes(predictor.load())
  page = folder / 'examples.html'
  page.write_text(
      gallery.render('shapes_bind_2way, 4 shots', examples), encoding='utf-8'
  )
  return page


def main(argv: Sequence[str]) -> int:
  """Takes the pictures."""
  if not 2 <= len(argv) <= 3:
    raise errors.UserError(
        'give the folder of the pictures and, for report.png, a run of '
        'launch/quickstart.sh'
    )
  browser()  # before anything is computed
  pictures = pathlib.Path(argv[1])
  pictures.mkdir(parents=True, exist_ok=True)
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    shoot(make_preview(folder), pictures / 'preview.png', 1000, 1340)
    shoot(make_gallery(folder), pictures / 'gallery.png', 1000, 800)
  for run in argv[2:]:
    page = pathlib.Path(run, 'report', 'index.html')
    if not page.is_file():
      raise errors.UserError(f'{page} does not exist: run launch/quickstart.sh')
    shoot(page, pictures / 'report.png', 1000, 1000)
  return 0


if __name__ == '__main__':
  sys.exit(errors.status_of(lambda: main(sys.argv)))
