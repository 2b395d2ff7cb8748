# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A prepared clip shows what the original shows, second by second."""

import fractions
import io
import os

import av
import numpy as np
import PIL.Image
import pytest

from flamingo_jax.data import video
from flamingo_jax.data.media import Media
from flamingo_jax.prepare import clips
from flamingo_jax.prepare import fitting
from flamingo_jax.prepare.source import Dropped
from tests import pictures
from tests.prepare import exporters

STEP = 20  # frame number n is gray n * STEP
SIZE = 64
SMALL = 32  # so that every clip is encoded anew


def gray(number, size=(SIZE, SIZE)):
  return np.full((*size, 3), STEP * number, np.uint8)


def film(
    begins, end, format='mp4', codec='libx264', pix_fmt='yuv420p', start=0.0,
    container_options=None, **options,
):
  """Frames 0, 1 ... that begin at these seconds; the last stays until `end`."""
  buffer, clock = io.BytesIO(), fractions.Fraction(1, 1000)
  with av.open(
      buffer, 'w', format=format, options=container_options or {}
  ) as container:
    stream = container.add_stream(codec, rate=1000)
    stream.width = stream.height = SIZE
    stream.pix_fmt, stream.options = pix_fmt, options or {'qp': '0'}
    stream.time_base = stream.codec_context.time_base = clock
    packets = []
    for number, second in enumerate(begins):
      frame = av.VideoFrame.from_ndarray(gray(number), format='rgb24')
      frame.pts, frame.time_base = round(1000 * (second + start)), clock
      packets += stream.encode(frame)
    packets += stream.encode(None)
    ends = {round(1000 * (b + start)): round(1000 * (e + start))
            for b, e in zip(begins, [*begins[1:], end])}
    for packet in packets:
      packet.duration = ends[packet.pts] - packet.pts
      container.mux(packet)
  return buffer.getvalue()


def numbers(data, frames=100):
  """What is on screen at each second, by the brightness at the middle."""
  clip = video.decode_clip(io.BytesIO(data), 'v', frames, None, 1.0)
  middle = [picture[len(picture) // 2, picture.shape[1] // 2, 1] for picture
            in clip]
  return [round(float(value) / STEP) for value in middle]


def prepare(data, limit=SMALL):
  return clips.fit(data, 'v', limit, 90)


def seconds_of(data):
  with av.open(io.BytesIO(data)) as container:
    return [frame.time for frame in container.decode(video=0)]


def animation(format, durations, **options):
  frames = [PIL.Image.fromarray(gray(n)) for n in range(len(durations))]
  more = {'lossless': True} if format == 'WEBP' else {}
  return pictures.animate(frames, format, duration=durations, **more, **options)


def raw(begins_at_rate, rate, codec, format):
  frames = np.stack([gray(n // rate) for n in range(begins_at_rate)])
  return exporters.encode_video(frames, rate, codec, 'yuv420p', format)


STILL = [0.0, 0.5], 20.0  # A for half a second, then B to the end
STILL_SHOWN = [0] + 19 * [1]
UNEVEN = [0.0, 0.1, 0.9, 2.5, 2.6, 5.2], 7.0
UNEVEN_SHOWN = [0, 2, 2, 4, 4, 4, 5]
B_FRAMES = {'bf': '2', 'qp': '0'}


@pytest.mark.parametrize('data, shown', [
    (film(*STILL), STILL_SHOWN),
    (film(*UNEVEN), UNEVEN_SHOWN),
    (film(*UNEVEN, **B_FRAMES), UNEVEN_SHOWN),
    (film(*UNEVEN, start=3.0), UNEVEN_SHOWN),
    (film(*UNEVEN, format='mov', start=1.5, **B_FRAMES), UNEVEN_SHOWN),
    (film(*UNEVEN, format='matroska'), UNEVEN_SHOWN),
    (film(*STILL, format='matroska'), STILL_SHOWN),
    (film(*UNEVEN, format='matroska', start=2.0, **B_FRAMES), UNEVEN_SHOWN),
    (film(*UNEVEN, format='webm', codec='libvpx-vp9'), UNEVEN_SHOWN),
    # Without a duration, which is measured.
    (film(*UNEVEN, format='webm', codec='libvpx-vp9',
          container_options={'live': '1'}), UNEVEN_SHOWN),
    (film(*UNEVEN, container_options={
        'movflags': 'frag_keyframe+empty_moov'}), UNEVEN_SHOWN),
    (film(*UNEVEN, format='mpegts'), UNEVEN_SHOWN[:6]),
    (animation('GIF', [500, 19500]), STILL_SHOWN),
    (animation('PNG', [500, 19500]), STILL_SHOWN),
    (animation('WEBP', [500, 19500]), STILL_SHOWN),
    (animation('GIF', [100, 800, 1600, 100, 2600, 1800]), UNEVEN_SHOWN),
    # As browsers show frames of so short a time.
    *((animation(format, [950, time, 1900]), [0, 1, 2])
      for format in ('GIF', 'PNG', 'WEBP') for time in (0, 10)),
    # Frames without timestamps follow each other.
    (raw(20, 5, 'h264', 'h264'), [0, 1, 2, 3]),
    (raw(20, 5, 'mpeg4', 'm4v'), [0, 1, 2, 3]),
    (raw(45, 10, 'mpeg4', 'avi'), [0, 1, 2, 3, 4]),
], ids=lambda value: '' if isinstance(value, bytes) else None)
def test_what_is_on_screen_at_each_second_is_stored(data, shown):
  assert numbers(data) == shown
  stored = prepare(data)
  assert stored != data
  assert numbers(stored) == shown
  assert seconds_of(stored) == list(range(len(shown)))


def bars(number):
  """A number below 256 as black and white bars."""
  bits = np.unpackbits(np.uint8(number)[None])
  return np.tile(255 * bits.repeat(SIZE // 8)[None, :, None], (SIZE, 1, 3))


def read_bars(picture):
  places = (np.arange(8) + 0.5) * picture.shape[1] / 8
  bits = picture[len(picture) // 2, places.astype(int), 1] > 127
  return int(np.packbits(bits)[0])


@pytest.mark.parametrize('rate', ['30000/1001', '60000/1001', '24000/1001',
                                  '10', '25', '7/2'])
def test_at_any_rate_the_same_frames_are_read_and_stored(rate):
  rate = fractions.Fraction(rate)
  frames = np.stack([bars(n) for n in range(round(7 * rate / 2))])
  data = exporters.encode_video(
      frames.astype(np.uint8), rate, 'libx264', 'yuv420p'
  )
  read, stored = (
      [read_bars(picture) for picture in video.decode_clip(
          io.BytesIO(d), 'v', 9, None, 1.0
      )] for d in (data, prepare(data))
  )
  assert read == stored and len(read) == 4
  for second, number in enumerate(read):  # 30 frames of 29.97 end at 1.001
    assert number / rate < second + 0.0011 and (number + 1) / rate > second


@pytest.mark.parametrize('format', ['GIF', 'PNG', 'WEBP'])
def test_transparent_animations_are_on_white_in_both(format):
  frames = []
  for n in range(3):
    frame = PIL.Image.new('RGBA', (SIZE, SIZE), (0, 0, 0, 0))
    frame.paste((STEP * n, 0, 0, 255), (0, 0, SIZE, SIZE // 4))
    frames.append(frame)
  data = pictures.animate(
      frames, format, duration=1000, disposal=2 if format == 'GIF' else 0,
      **({'lossless': True} if format == 'WEBP' else {}),
  )
  for encoded in (data, prepare(data)):
    for frame in video.decode_clip(io.BytesIO(encoded), 'v', 3, None, 1.0):
      assert frame[-4:].min() > 250
      assert frame[:4].max() < 60


def test_a_transparent_film_is_on_white_in_both():
  pixels = np.zeros((2, SIZE, SIZE, 4), np.uint8)
  pixels[:, : SIZE // 4, :, 3] = 255
  buffer = io.BytesIO()
  with av.open(buffer, 'w', format='mov') as container:
    stream = container.add_stream('png', rate=2)
    stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, 'rgba'
    for frame in pixels:
      container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, 'rgba')))
    container.mux(stream.encode(None))
  for encoded in (buffer.getvalue(), prepare(buffer.getvalue())):
    (frame,) = video.decode_clip(io.BytesIO(encoded), 'v', 3, None, 1.0)
    assert frame[-4:].min() > 250 and frame[:4].max() < 5


def stretched(shape, rotate=False):
  """64x64 pixels, a square in the middle half, of pixels of a shape."""
  frames = np.zeros((4, SIZE, SIZE, 3), np.uint8)
  frames[:, 16:48, 16:48] = 255
  buffer = io.BytesIO()
  with av.open(buffer, 'w', format='mp4') as container:
    stream = container.add_stream('libx264', rate=2)
    stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, 'yuv420p'
    stream.options = {'qp': '0'}
    stream.codec_context.sample_aspect_ratio = fractions.Fraction(shape)
    for frame in frames:
      container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, 'rgb24')))
    container.mux(stream.encode(None))
  data = buffer.getvalue()
  if not rotate:
    return data
  one = 1 << 16
  matrix = (0, one, 0, -one, 0, 0, SIZE * one, 0, 1 << 30)
  begins = data.index(b'tkhd') + 4 + 40
  written = b''.join(n.to_bytes(4, 'big', signed=True) for n in matrix)
  return data[:begins] + written + data[begins + 36 :]


@pytest.mark.parametrize('shape, rotate, size', [
    ('1', False, (32, 32)), ('2', False, (16, 32)), ('1/2', False, (32, 16)),
    ('64/45', False, (22, 32)), ('2', True, (32, 16)),
    ('1000', False, (32, 32)),  # damage
])
def test_pixels_become_square(shape, rotate, size):
  data = stretched(shape, rotate)
  fit = lambda w, h: (round(w * 32 / max(w, h)), round(h * 32 / max(w, h)))
  read = video.decode_clip(io.BytesIO(data), 'v', 1, None, 1.0, fit)[0]
  stored = video.decode_clip(
      io.BytesIO(prepare(data)), 'v', 1, None, 1.0
  )[0]
  for frame in (read, stored):
    height, width = frame.shape[:2]
    assert abs(height - size[0]) <= 1 and abs(width - size[1]) <= 1
    # The square fills the middle half of whatever the frame is.
    assert frame[height // 2, width // 2].min() > 200
    assert frame[height // 8, width // 8].max() < 50


def test_small_and_slow_videos_keep_their_bytes():
  data = film([0.0, 1.0, 2.0], 4.0)
  assert prepare(data, limit=SIZE) == data
  still = animation('GIF', [1000, 19000])
  assert prepare(still, limit=SIZE) == still


def test_frames_that_a_header_counts_and_that_do_not_come_are_told(tmp_path):
  path = tmp_path / 'v.mp4'  # rewritten at its end, so that the header is first
  with av.open(
      os.fspath(path), 'w', options={'movflags': 'faststart'}
  ) as container:
    stream = container.add_stream('libx264', rate=2)
    stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, 'yuv420p'
    stream.options = {'g': '1', 'qp': '0'}
    for number in range(12):
      frame = av.VideoFrame.from_ndarray(gray(number), 'rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
  data = path.read_bytes()
  fitter = fitting.MediaFitter(16)
  with pytest.raises(Dropped, match='video is corrupt'):
    fitter.fit(Media('video', 'v.mp4', data[: len(data) * 6 // 10]))
