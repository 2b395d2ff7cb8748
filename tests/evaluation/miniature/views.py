# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Sixty pictures that all differ, and what is to be said about each.

They are parts of twenty photographs that scikit-image and scikit-learn bring
along; nothing is downloaded.
"""

import csv
import dataclasses
import functools
import io
import pathlib

import av
import numpy as np
from PIL import Image, ImageDraw
from skimage import data
from sklearn import datasets

SIZE = 48  # pixels


@dataclasses.dataclass(frozen=True)
class View:
  """A part of a photograph."""

  number: int  # its place among all views
  photograph: str  # as scikit-image or scikit-learn name it
  box: tuple[int, int, int, int]  # (left, top, right, bottom) in percent
  thing: str  # what is there; no two views have the same
  captions: tuple[str, str]  # two
  question: str  # that only some views are asked
  answer: str  # to it

  @functools.cached_property
  def pixels(self) -> np.ndarray:
    """uint8[SIZE SIZE 3]."""
    whole = photograph(self.photograph)
    box = [
        percent * side / 100
        for percent, side in zip(self.box, whole.size * 2, strict=True)
    ]
    return np.asarray(whole.resize((SIZE, SIZE), box=box))


@functools.cache
def photograph(name: str) -> Image.Image:
  if name.endswith('.jpg'):
    pixels = datasets.load_sample_image(name)
  else:
    pixels = getattr(data, name)()
  pixels = pixels[0] if isinstance(pixels, tuple) else pixels  # the left eye's
  return Image.fromarray(pixels).convert('RGB')


def _read_views():
  """One of each row of views.csv."""
  path = pathlib.Path(__file__).parent / 'views.csv'
  with path.open(encoding='utf-8', newline='') as file:
    for number, row in enumerate(csv.DictReader(file)):
      box = [int(row.pop(side)) for side in ('left', 'top', 'right', 'bottom')]
      captions = row.pop('caption'), row.pop('other')
      yield View(number=number, box=tuple(box), captions=captions, **row)


VIEWS = tuple(_read_views())
# Every other view is asked about; of the rest most become shots. So both have
# all photographs, but no two rows have one picture.
QUERIES = VIEWS[::2]
UNUSED = VIEWS[5:36:6]
SUPPORTS = tuple(view for view in VIEWS[1::2] if view not in UNUSED)


def write_picture(path, view, text=''):
  path.parent.mkdir(parents=True, exist_ok=True)
  picture = Image.fromarray(view.pixels)
  if text:
    ImageDraw.Draw(picture).text((2, 2), text, fill='white')
  picture.save(path)


@functools.cache
def clip(number, suffix):
  """The bytes of a video that pans over a view: three frames, one a second."""
  file = io.BytesIO()
  with av.open(file, 'w', format=suffix) as container:
    stream = container.add_stream('mpeg4', rate=1)
    stream.width = stream.height = SIZE
    stream.pix_fmt = 'yuv420p'
    for shift in range(3):
      frame = np.roll(VIEWS[number].pixels, 6 * shift, axis=1)
      frame = av.VideoFrame.from_ndarray(frame, format='rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  return file.getvalue()


def write_clip(path, view):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(clip(view.number, path.suffix[1:]))
