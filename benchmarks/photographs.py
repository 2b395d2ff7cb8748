# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Data of real photographs, those that come with scikit-image."""

import io
import json
import pathlib

import numpy as np
import PIL.Image
from skimage import data

from flamingo_jax.data.documents import Document
from flamingo_jax.data.media import Media
from flamingo_jax.prepare import engine
from flamingo_jax.prepare.sources import jsonl
from tests.prepare import exporters

LONGER = 640  # side of an image, pixels; the other is half as long or longer
VIDEO_SIZE = (368, 276)
PER_PAGE = 5  # images (Flamingo A.3.2)
SECONDS = 20  # of a video
H264_SIZE, H264_RATE, H264_SECONDS = (640, 360), 25, 8
WORDS = 'It is one of the photographs that many programs are tried with.'


def prepare(
    folder: pathlib.Path, kind: str, documents: int, image_size: int
) -> pathlib.Path:
  """Writes pages of photographs, or videos that pan over them, into shards.

  Args:
    folder: for files; what it returns lies in it.
    kind: 'images' or 'videos'.
    documents: how many.
    image_size: of training.
  """
  rng = np.random.default_rng(0)
  media = folder / f'{kind}-media'
  media.mkdir()
  lines = []
  for number in range(documents):
    parts = []
    for place in range(PER_PAGE if kind == 'images' else 1):
      encode, ending = (_image, 'jpg') if kind == 'images' else (_video, 'mp4')
      name = f'{number}-{place}.{ending}'
      (media / name).write_bytes(encode(rng))
      parts += [{kind.removesuffix('s'): name}, {'text': WORDS}]
    lines.append(json.dumps({'parts': parts}) + '\n')
  (media / 'pages.jsonl').write_text(''.join(lines))
  out = folder / kind
  engine.prepare(
      jsonl.Jsonl((str(media / 'pages.jsonl'),)), out, workers=0,
      image_size=image_size,
  )
  return out


def h264(documents: int) -> list[Document]:
  """Captioned clips as they come, H.264 at 25 frames a second, unprepared."""
  rng = np.random.default_rng(0)
  return [
      Document((Media('video', 'h264', _h264(rng)), WORDS), 'h264', number)
      for number in range(documents)
  ]


def _view(rng: np.random.Generator, size: tuple[int, int]) -> PIL.Image.Image:
  """A part of a photograph, at least half of it, as large as is asked for."""
  photographs = (data.astronaut, data.chelsea, data.coffee, data.rocket)
  picture = PIL.Image.fromarray(photographs[rng.integers(4)]())
  scale = rng.uniform(0.5, 1) * min(
      whole / part for whole, part in zip(picture.size, size)
  )
  width, height = (scale * n for n in size)
  left = rng.uniform(0, picture.width - width)
  top = rng.uniform(0, picture.height - height)
  return picture.resize(
      size, PIL.Image.Resampling.BICUBIC,
      (left, top, left + width, top + height),
  )


def _image(rng: np.random.Generator) -> bytes:
  """Lying or standing, and hardly two of one size, as on web pages."""
  size = LONGER, int(rng.integers(LONGER // 2, LONGER, endpoint=True))
  buffer = io.BytesIO()
  _view(rng, size[:: rng.choice((1, -1))]).save(buffer, 'JPEG', quality=90)
  return buffer.getvalue()


def _video(rng: np.random.Generator) -> bytes:
  """Two frames a second, of which preparing keeps one."""
  return exporters.encode_video(_pan(rng, VIDEO_SIZE, 2 * SECONDS), rate=2)


def _h264(rng: np.random.Generator) -> bytes:
  return exporters.encode_video(
      _pan(rng, H264_SIZE, H264_RATE * H264_SECONDS), H264_RATE, 'libx264',
      'yuv420p', crf='23',
  )


def _pan(
    rng: np.random.Generator, size: tuple[int, int], frames: int
) -> np.ndarray:
  """Over a photograph, a pixel for each frame: uint8[frames h w 3]."""
  width, height = size
  whole = np.asarray(_view(rng, (width + frames, height)))
  return np.stack([whole[:, i : i + width] for i in range(frames)])
