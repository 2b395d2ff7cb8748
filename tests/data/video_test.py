# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Clips: which frames are taken, from files of several kinds."""

import fractions
import io
import struct

import av
import chex
import numpy as np
import PIL.Image
import pytest

from flamingo_jax.data import media
from flamingo_jax.data import moving
from flamingo_jax.data import video
from flamingo_jax.data.frames import Sampling
from flamingo_jax.errors import UserError
from tests import pictures
from tests.prepare import exporters

# Frame number n of a test video is gray n * STEP.
STEP = 5


def encode(seconds=8, rate=5, format='mp4', codec='mpeg4', size=(32, 48)):
  """Encodes a video whose brightness tells the number of the frame."""
  frames = np.zeros((int(seconds * rate), *size, 3), np.uint8)
  for n, pixels in enumerate(frames):  # the upper half is black
    pixels[size[0] // 2 :] = STEP * n
  return exporters.encode_video(
      frames, rate, codec, 'yuv420p', format, g='4', b='10000000'
  )


def animation(format, seconds, durations):
  frames = [
      PIL.Image.new('RGB', (8, 8), 3 * (STEP * n,)) for n in range(seconds)
  ]
  options = {'lossless': True} if format == 'WEBP' else {}
  return pictures.animate(frames, format, duration=durations, **options)


def numbers(clip):
  """The numbers of the frames, read off the brightness at the bottom."""
  return [round(float(frame[-4:, :, 1].mean()) / STEP) for frame in clip]


def decode(data, frames=4, rng=None, fps=1.0):
  return video.decode_clip(io.BytesIO(data), 'v.mp4', frames, rng, fps)


@pytest.mark.parametrize('duration, frames, fps, expected', [
    (4.0, 4, 1.0, [0, 1, 2, 3]),
    (2.5, 4, 1.0, [0, 1, 2]),
    (2.0, 4, 1.0, [0, 1]),
    (0.2, 4, 1.0, [0]),
    (0.0, 4, 1.0, [0]),
    (2.0, 4, 2.0, [0, 0.5, 1, 1.5]),
    (10.0, 30, 3.0, np.arange(30) / 3),
    (3.0, 30, 3.0, np.arange(9) / 3),
    (6.0, 4, 0.5, [0, 2, 4]),
    # Longer than frames / fps seconds: evenly over the whole.
    (10.0, 4, 1.0, [0, 2.5, 5, 7.5]),
    (600.0, 30, 3.0, 20 * np.arange(30)),
    (10.0, 4, 2.0, [0, 2.5, 5, 7.5]),
    (4.4, 4, 1.0, [0, 1.1, 2.2, 3.3]),
    (7.0, 1, 1.0, [0]),
])
def test_times_of_an_evaluation(duration, frames, fps, expected):
  times = video.clip_times(duration, frames, None, fps)
  np.testing.assert_allclose(times, expected)


def test_random_clips_are_whole_and_differ():
  starts = []
  for seed in range(50):
    times = video.clip_times(20.0, 8, np.random.default_rng(seed), 1.0)
    np.testing.assert_allclose(np.diff(times), 1.0)
    assert len(times) == 8 and 0 <= times[0] and times[-1] < 20
    starts.append(times[0])
  assert min(starts) < 2 and max(starts) > 10
  short = video.clip_times(3.0, 8, np.random.default_rng(0), 1.0)
  np.testing.assert_allclose(short, [0, 1, 2])


@pytest.mark.parametrize('format, codec', [
    ('mp4', 'mpeg4'), ('mp4', 'h264'), ('webm', 'libvpx-vp9'), ('avi', 'mpeg4'),
])
def test_one_frame_per_second_whatever_the_container(format, codec):
  data = encode(seconds=6, rate=5, format=format, codec=codec)
  assert numbers(decode(data, 6)) == [0, 5, 10, 15, 20, 25]
  # A third of the frames cover the whole, too.
  assert numbers(decode(data, 2)) == [0, 15]


def test_frames_per_second_of_the_clip():
  assert numbers(decode(encode(seconds=2.4), frames=6, fps=2.5)) == (
      [0, 2, 4, 6, 8, 10]
  )


@pytest.mark.parametrize('format, codec', [
    ('mp4', 'h264'), ('webm', 'libvpx-vp9'), ('avi', 'mpeg4'),
])
def test_frames_that_are_far_apart_are_the_same_as_if_all_were_decoded(
    format, codec, monkeypatch
):
  data = encode(seconds=8, rate=5, format=format, codec=codec)
  one_by_one = numbers(decode(data, 4))
  monkeypatch.setattr(moving, '_FAR', 0.0)
  assert numbers(decode(data, 4)) == one_by_one == [0, 10, 20, 30]


def test_a_random_clip_is_found_by_seeking():
  data = encode(seconds=8, rate=5)
  for seed in range(5):
    start = video.clip_times(8.0, 3, np.random.default_rng(seed), 1.0)[0]
    clip = numbers(decode(data, 3, np.random.default_rng(seed)))
    first = int(start * 5)
    assert clip == [first, first + 5, first + 10]


def test_a_short_video_leaves_frames_masked():
  frames, mask = media.load_frames(media.video(encode(seconds=2)), 5, 16, None)
  chex.assert_shape(frames, (5, 16, 16, 3))
  assert mask.tolist() == [True, True, False, False, False]
  assert not frames[2:].any() and frames[1].any()


def test_a_recorded_webm_without_a_duration_is_measured():
  buffer = io.BytesIO()
  buffer.seekable = lambda: False  # the writer cannot go back to the header
  data = encode(seconds=6, format='webm', codec='libvpx-vp9')
  with av.open(io.BytesIO(data)) as source:
    with av.open(buffer, 'w', format='webm', options={'live': '1'}) as live:
      stream = live.add_stream_from_template(source.streams.video[0])
      for packet in source.demux(video=0):
        if packet.dts is not None:
          packet.stream = stream
          live.mux(packet)
  with av.open(io.BytesIO(buffer.getvalue())) as container:
    assert container.duration is None, 'the test needs an unknown duration'
  assert numbers(decode(buffer.getvalue(), 8)) == [0, 5, 10, 15, 20, 25]


def rotate_header(data, matrix):
  """Writes a display matrix into the track header, as phones do."""
  begins = data.index(b'tkhd') + 4 + 40
  return data[:begins] + struct.pack('>9i', *matrix) + data[begins + 36 :]


def test_phone_videos_are_upright():
  one, last = 1 << 16, 1 << 30
  data = encode(seconds=4, size=(32, 48))
  upright = decode(data, 2)[1]
  assert upright.shape == (32, 48, 3)
  assert upright[:8].mean() < 8 < upright[-8:].mean()
  # Turned by a quarter clockwise: what was at the top is at the right.
  turned = decode(
      rotate_header(data, (0, one, 0, -one, 0, 0, 32 * one, 0, last)), 2
  )[1]
  chex.assert_trees_all_equal(turned, np.rot90(upright, -1))


@pytest.mark.parametrize('turned', [False, True])
def test_frames_are_fitted_as_pictures_are(turned):
  rng = np.random.default_rng(0)
  # Every pixel of the result has a colour of its own.
  colors = rng.integers(0, 256, (24, 32, 3), np.uint8)
  pixels = np.kron(colors, np.ones((2, 2, 1), np.uint8))
  data = exporters.encode_video(pixels[None], 1, 'libx264', 'yuv420p')
  if turned:
    one = 1 << 16
    data = rotate_header(data, (0, one, 0, -one, 0, 0, 48 * one, 0, 1 << 30))
    pixels = np.rot90(pixels, -1)
  found, mask = media.load_frames(media.video(data), 1, 32, None)
  expected, _ = media.load_frames(media.image(pixels), 1, 32, None)
  assert mask.all()
  # 8 of 255, as four pixels share a colour in the file; 21 if two more did.
  assert np.abs(found.astype(int) - expected).mean() < 10


@pytest.mark.parametrize('format', ['GIF', 'WEBP', 'PNG'])
def test_animations_are_videos(format):
  # Frame n begins at n seconds; frame 3 stays for two.
  data = animation(format, 5, [1000, 1000, 1000, 2000, 1000])
  assert numbers(decode(data, 8)) == [0, 1, 2, 3, 3, 4]
  assert numbers(decode(data, 3)) == [0, 2, 3]  # at 0, 2 and 4 s
  assert video.extent(io.BytesIO(data), 'v') == video.Extent(6.0, 5 / 6)
  start = video.clip_times(6.0, 2, np.random.default_rng(1), 1.0)[0]
  clip = numbers(decode(data, 2, np.random.default_rng(1)))
  on_screen = [0, 1, 2, 3, 3, 4]
  assert clip == [on_screen[int(start)], on_screen[int(start) + 1]]


def test_a_still_picture_is_a_video_of_one_frame():
  for format in ('PNG', 'GIF', 'JPEG'):
    still = PIL.Image.new('RGB', (8, 8), (STEP, STEP, STEP))
    assert numbers(decode(pictures.encode(still, format))) == [1]


def test_arrays_have_one_frame_per_second():
  frames = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.full(
      (1, 8, 8, 3), STEP, np.uint8
  )
  assert numbers(video.array_clip(frames, 6, None, 1.0)) == list(range(6))
  assert numbers(video.array_clip(frames, 3, None, 1.0)) == [0, 2, 4]
  assert numbers(video.array_clip(frames, 12, None, 2.0)) == (
      [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
  )
  clip = numbers(video.array_clip(frames, 4, np.random.default_rng(1), 1.0))
  assert clip == list(range(clip[0], clip[0] + 4))
  pixels, mask = media.load_frames(media.video(frames), 8, 8, None)
  assert mask.tolist() == [True] * 6 + [False] * 2
  chex.assert_trees_all_equal(pixels[:6], frames)


@pytest.mark.parametrize('frames, fps, sentence', [
    (0, 1.0, 'frames is 0 and must be a whole number from 1'),
    (-3, 1.0, 'frames is -3'),
    (2.5, 1.0, 'frames is 2.5'),
    ('8', 1.0, "frames is '8'"),
    (True, 1.0, 'frames is True'),
    (8, 0, 'fps is 0 and must be a number above 0'),
    (8, -1.0, 'fps is -1.0'),
    (8, float('nan'), 'fps is nan'),
    (8, float('inf'), 'fps is inf'),
    (8, '3', "fps is '3'"),
])
def test_what_makes_no_sense_is_one_sentence(frames, fps, sentence):
  with pytest.raises(UserError, match=sentence):
    Sampling(frames, fps)


@pytest.mark.parametrize('seconds, rate', [(2, 1), (3, 2.5), (2, 5)])
def test_the_extent_of_a_video_tells_what_comes_several_times(seconds, rate):
  found = video.extent(
      io.BytesIO(encode(seconds, fractions.Fraction(rate))), 'v.mp4'
  )
  assert found.seconds == pytest.approx(int(seconds * rate) / rate, abs=0.05)
  assert found.is_slower(rate + 0.5) and not found.is_slower(rate + 0.0)


@pytest.mark.parametrize('data, message', [
    (b'', r'v.mp4 is empty \(0 bytes\)'),
    (b'this is not a video at all' * 9, 'v.mp4 cannot be decoded as a video'),
    (encode(seconds=2)[:900], 'v.mp4 cannot be decoded as a video'),
    (animation('GIF', 3, 100)[:40], 'v.mp4 is corrupt or cut short'),
])
def test_bad_files_are_told_in_one_sentence(data, message):
  with pytest.raises(UserError, match=message) as raised:
    decode(data)
  assert '\n' not in str(raised.value)


def test_a_video_that_is_cut_short_is_told_if_it_is_read_to_its_end():
  data = encode(format='matroska')
  short = io.BytesIO(data[: len(data) * 6 // 10])
  video.check_video(short, 'v.mkv', False)
  short.seek(0)
  with pytest.raises(
      UserError, match=r'^v.mkv ends at second 5\.\d of 8\.0; copy or export'
  ):
    video.check_video(short, 'v.mkv', True)


@pytest.mark.parametrize('data', [
    encode(seconds=9, rate=1), encode(2, 24, 'matroska'),
    encode(format='webm', codec='libvpx'), encode(format='avi'),
    encode(2, 25, 'mpegts', 'mpeg2video'),
    animation('GIF', 5, 1000),
], ids=['slow', 'matroska', 'webm', 'avi', 'mpegts', 'gif'])
def test_whole_videos_are_good_to_their_ends(data):
  video.check_video(io.BytesIO(data), 'v.mp4', True)


def test_a_file_of_sound_is_no_video():
  buffer = io.BytesIO()
  with av.open(buffer, 'w', format='wav') as container:
    stream = container.add_stream('pcm_s16le', rate=8000, layout='mono')
    silence = np.zeros((1, 800), np.int16)
    frame = av.AudioFrame.from_ndarray(silence, 's16', 'mono')
    frame.sample_rate = 8000
    container.mux(stream.encode(frame))
    container.mux(stream.encode())
  with pytest.raises(UserError, match='v.mp4 has no video stream'):
    decode(buffer.getvalue())
