# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of our HTML pages for docs/, taken in headless Chromium.

  python -m launch.screenshots docs/images [runs/quickstart]

writes preview.png (`flamingo check --html`), gallery.png (the examples beside a
score), page.png (of `flamingo serve`) and, of a run of launch/quickstart.sh,
report.png. Photographs are those that come with scikit-image
(`pip install -e '.[test]'`).
"""

from collections.abc import Iterator, Sequence
import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile

from flamingo_jax.data import quiet_tensorflow

if __name__ == '__main__':  # before anything else imports TensorFlow
  quiet_tensorflow.load()

import PIL.Image
from playwright import sync_api
from skimage import data

from flamingo_jax import cli
from flamingo_jax import errors
from flamingo_jax import predictor
from flamingo_jax.evaluation import gallery
from launch import browser
from launch import quickstart

COLOURS = 128  # of a picture: text and flat areas
MOVING = 1000  # milliseconds until bars have come to rest
DRAWN = 0.6  # in place of what the served page draws at random
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


@contextlib.contextmanager
def opened(
    address: str, width: int, height: int
) -> Iterator[sync_api.Page]:
  """A page in the browser."""
  with sync_api.sync_playwright() as playwright:
    chromium = playwright.chromium.launch(
        executable_path=browser.find(), args=browser.FLAGS
    )
    page = chromium.new_page(viewport={'width': width, 'height': height})
    page.goto(address)
    yield page
    chromium.close()


def shoot(page: sync_api.Page, picture: pathlib.Path) -> None:
  """What of a page is in view, as a PNG of few colours."""
  with PIL.Image.open(io.BytesIO(page.screenshot())) as pixels:
    small = pixels.convert('RGB').quantize(COLOURS)
  small.save(picture, optimize=True)
  print(f'{picture}: {picture.stat().st_size / 1000:.0f} kB')


def shoot_file(
    page: pathlib.Path, picture: pathlib.Path, width: int, height: int
) -> None:
  """The top of a page that is a file."""
  with opened(page.resolve().as_uri(), width, height) as shown:
    shoot(shown, picture)


def shoot_served(folder: pathlib.Path) -> None:
  """The page of `flamingo serve`: an episode, its labels shuffled."""
  with serving() as address, opened(address, 1200, 1070) as page:
    page.add_init_script(f'Math.random = () => {DRAWN}')  # the same picture
    page.reload()
    page.get_by_role('button', name='Show me').click()
    page.locator('.bars').wait_for()
    page.get_by_role('button', name='Shuffle labels').click()
    page.locator('.bars.compared').wait_for()
    page.wait_for_timeout(MOVING)
    page.mouse.move(0, 0)
    shoot(page, folder / 'page.png')


@contextlib.contextmanager
def serving() -> Iterator[str]:
  """The address of a server of the shipped model."""
  server = subprocess.Popen(
      [sys.executable, '-m', 'flamingo_jax.cli', 'serve', '--port=0'],
      stderr=subprocess.PIPE, text=True,
  )
  try:
    yield next(
        line.split()[-1] for line in server.stderr if ' answers at ' in line
    )
  finally:
    server.terminate()
    server.communicate()


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
  if browser.find() is None:  # before anything is computed
    raise errors.UserError(browser.REMEDY)
  pictures = pathlib.Path(argv[1])
  pictures.mkdir(parents=True, exist_ok=True)
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    shoot_file(make_preview(folder), pictures / 'preview.png', 1000, 1340)
    shoot_file(make_gallery(folder), pictures / 'gallery.png', 1000, 800)
  shoot_served(pictures)
  for run in argv[2:]:
    page = pathlib.Path(run, 'report', 'index.html')
    if not page.is_file():
      raise errors.UserError(f'{page} does not exist: run launch/quickstart.sh')
    shoot_file(page, pictures / 'report.png', 1000, 1000)
  return 0


if __name__ == '__main__':
  sys.exit(errors.status_of(lambda: main(sys.argv)))
