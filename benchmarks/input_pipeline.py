# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Speed of the training input, against what decoding alone costs, as JSON.

  python -m benchmarks.input_pipeline
  python -m benchmarks.input_pipeline --images=data/m3w/train \\
      --videos=data/vtp/train

Reads folders of `flamingo prepare`; without one, pages of five photographs and
clips over the photographs of scikit-image, prepared for 320 pixels. `h264` are
clips as they come, 25 frames a second, of which training shows one: to reach it,
all are decoded, in `raw` and `raw_decode` as well.

All rates are per second of CPU time, all threads together, so per core. `raw` is
Pillow's JPEG decoding and bicubic resizing of the same pictures, or PyAV's
decoding of the same frames to RGB and that resizing; `raw_decode` is the same
without resizing. These run in a process per core that does nothing else: cores
that are all busy are slower than one alone, and the pipeline keeps all busy.
`ratio` is the rate of the pipeline over that of `raw`. Each turn measures all one
after the other, as the machine's speed changes; a ratio is the median of the
turns, beside the lowest and the highest, and of everything else the fastest turn
counts.
"""

import argparse
from collections.abc import Iterator
import concurrent.futures
import io
import json
import multiprocessing
import pathlib
import statistics
import sys
import tempfile
import time
from typing import Any

from flamingo_jax.data import quiet_tensorflow

if __name__ == '__main__':  # before anything else imports TensorFlow
  quiet_tensorflow.load()

import av
import numpy as np
import PIL.Image

from benchmarks import photographs
from flamingo_jax.data import features
from flamingo_jax.data import pipeline
from flamingo_jax.data import records
from flamingo_jax.data.document_source import Documents
from flamingo_jax.errors import UserError, status_of
from flamingo_jax.machine import cores

LENGTHS = {  # Flamingo B.1.2
    'images': {'tokens': 256, 'media': 5, 'frames': 1},
    'videos': {'tokens': 32, 'media': 1, 'frames': 8},
}
BATCH = 8
EXAMPLES = 128  # that a measurement of the pipeline makes, at most
H264_DOCUMENTS = 16
IDLE = 0.3  # seconds
TURNS = 7
SEED = 0


class Counted:
  """Documents that count how often they are read."""

  def __init__(self, documents: Documents, limit: int):
    self._documents, self._size = documents, min(limit, len(documents))
    self.count = 0

  def __len__(self) -> int:
    return self._size

  def __getitem__(self, index: int) -> Any:
    self.count += 1
    return self._documents[index]


def measure(kind: str, documents: Counted, size: int) -> dict[str, Any]:
  """The rates of some documents.

  Args:
    kind: 'images' or 'videos'.
    documents: with media of this kind.
    size: of pictures in training, pixels.

  Raises:
    UserError: the documents are damaged, or have no media of this kind.
  """
  lengths = LENGTHS[kind] | {'image_size': size}
  media = [
      part for i in range(len(documents))
      for part in _media(documents[i])[: lengths['media']]
  ]
  if not media:
    raise UserError(
        f'{documents[0].source} and those after it have no {kind}; name a '
        'folder that has'
    )
  encoded = [medium.data for medium in media]
  frames = sum(
      1 for data in encoded for _ in _decoded(kind, data, lengths['frames'])
  )
  features.add_task(
      kind, {'train': lambda: documents}, p_next=0.5, augment=True
  )
  batches = pipeline.get_dataset(
      pipeline.DatasetConfig(
          kind, {kind: lengths}, 'train', {kind: BATCH}, True, SEED
      ), 0, 1,
  ).as_numpy_iterator()
  next(batches)
  turns = []
  with _Raw(kind, encoded, lengths) as raw:
    for _ in range(TURNS):
      turns.append({name: raw.seconds(name) for name in _RAW} | {
          'pipeline': _time_batches(batches, documents)
      })
  noun = 'images' if kind == 'images' else 'frames'
  ratios = {
      name: [turn[name] / turn['pipeline'] for turn in turns] for name in _RAW
  }
  return {
      'documents': len(documents),
      noun: frames,
      'bytes': sum(map(len, encoded)),
      f'{noun}_per_second': {
          name: round(frames / min(turn[name] for turn in turns), 1)
          for name in turns[0]
      },
      'ratio': _spread(ratios['raw']),
      'ratio_to_raw_decode': _spread(ratios['raw_decode']),
  }


def _spread(ratios: list[float]) -> dict[str, float]:
  return {
      'median': round(statistics.median(ratios), 3),
      'lowest': round(min(ratios), 3), 'highest': round(max(ratios), 3),
  }


class _Raw:
  """Processes that do one of _RAW to the media, as many as there are cores."""

  def __init__(self, kind: str, encoded: list[bytes], lengths: dict[str, int]):
    spawn = multiprocessing.get_context('spawn')
    self._count = cores()
    self._pool = concurrent.futures.ProcessPoolExecutor(
        self._count, spawn, _begin_raw,
        (spawn.Barrier(self._count), kind, encoded, lengths),
    )
    self.seconds('raw')  # the first time, they start

  def __enter__(self) -> '_Raw':
    return self

  def __exit__(self, *error: Any) -> None:
    self._pool.shutdown()

  def seconds(self, name: str) -> float:
    """CPU time of one for all media, while every other does the same."""
    runs = [self._pool.submit(_run_raw, name) for _ in range(self._count)]
    return statistics.mean(run.result() for run in runs)


def _begin_raw(*work: Any) -> None:
  """Keeps the work of a process of _Raw."""
  global _raw_work
  _raw_work = work


def _run_raw(name: str) -> float:
  """The seconds of CPU time that one of _RAW takes for all media."""
  barrier, kind, encoded, lengths = _raw_work
  barrier.wait()
  begin = time.process_time()
  for data in encoded:
    _RAW[name](kind, data, lengths)
  return time.process_time() - begin


def _raw(kind: str, data: bytes, lengths: dict[str, int]) -> None:
  for picture in _decoded(kind, data, lengths['frames']):
    scale = lengths['image_size'] / max(picture.size)
    np.asarray(picture.resize(
        tuple(round(scale * n) for n in picture.size),
        PIL.Image.Resampling.BICUBIC,
    ))


def _raw_decode(kind: str, data: bytes, lengths: dict[str, int]) -> None:
  for _ in _decoded(kind, data, lengths['frames']):
    pass


_RAW = {'raw': _raw, 'raw_decode': _raw_decode}


def _decoded(kind: str, data: bytes, count: int) -> Iterator[PIL.Image.Image]:
  if kind == 'images':
    yield PIL.Image.open(io.BytesIO(data)).convert('RGB')
    return
  second = 0
  with av.open(io.BytesIO(data)) as container:
    for frame in container.decode(video=0):
      if frame.time >= second:
        yield PIL.Image.fromarray(frame.to_ndarray(format='rgb24'))
        second += 1
        if second == count:
          return


def _time_batches(batches: Iterator[Any], documents: Counted) -> float:
  """Seconds in which as many examples are made as there are documents.

  Batches are made ahead, so those that were made count, not those that come.
  """
  begin = _settle()
  made = documents.count
  while documents.count - made < min(EXAMPLES, 4 * len(documents)):
    next(batches)
  seconds = _settle() - begin
  return seconds * len(documents) / (documents.count - made)


def _settle() -> float:
  """The CPU time when no thread does anything any more: buffers are full."""
  before, now = None, time.process_time()
  while before is None or now - before > IDLE / 50:
    time.sleep(IDLE)
    before, now = now, time.process_time()
  return now


def _media(document: Any) -> list[Any]:
  return [part for part in document.parts if not isinstance(part, str)]


def main() -> None:
  """Prints one JSON object."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--images', metavar='DIR', type=pathlib.Path)
  parser.add_argument('--videos', metavar='DIR', type=pathlib.Path)
  parser.add_argument('--image_size', type=int, default=320)
  parser.add_argument('--documents', type=int, default=64, help='at most')
  options = parser.parse_args()
  size, limit = options.image_size, options.documents
  result = {}
  with tempfile.TemporaryDirectory() as name:
    for kind, folder in (
        ('images', options.images), ('videos', options.videos)
    ):
      folder = folder or photographs.prepare(
          pathlib.Path(name), kind, limit, size
      )
      documents = Counted(records.RecordDocuments(folder), limit)
      result[kind] = measure(kind, documents, size)
  documents = Counted(photographs.h264(H264_DOCUMENTS), limit)
  result['h264'] = measure('videos', documents, size)
  result['image_size'] = size
  result['cores'] = cores()
  result['pillow'], result['av'] = PIL.__version__, av.__version__
  print(json.dumps(result, indent=2))


if __name__ == '__main__':
  sys.exit(status_of(main))
