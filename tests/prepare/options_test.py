# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What the flags of flamingo prepare change."""

import io
import json

import numpy as np
import PIL.Image
import pytest

from flamingo_jax.data import media
from tests.pictures import encode, png
from tests.prepare import exporters


def picture(seed, size=(90, 80), kind='PNG'):
  """Of large squares, so that copies of it look alike."""
  squares = np.random.default_rng(seed).integers(0, 256, (8, 9), np.uint8)
  large = PIL.Image.fromarray(squares).resize(
      size, PIL.Image.Resampling.NEAREST
  )
  return encode(large, kind)


@pytest.fixture
def pairs(tmp_path):
  pairs = [(picture(i), f'number {i}') for i in range(4)]
  exporters.webdataset(pairs, tmp_path / 'in')
  return pairs


@pytest.mark.parametrize('images, shown', [
    # The same picture, another file.
    ([picture(i) for i in range(4)], picture(2, (180, 160), 'JPEG')),
    # Of flat ones the same bytes alone.
    ([png(shade) for shade in range(4)], png(2)),
])
def test_images_of_a_benchmark_are_kept_out(tmp_path, prepare, images, shown):
  exporters.webdataset(
      [(data, f'number {i}') for i, data in enumerate(images)], tmp_path / 'in'
  )
  (tmp_path / 'benchmark').mkdir()
  (tmp_path / 'benchmark' / 'labels.json').write_text('[]')
  (tmp_path / 'benchmark' / 'x').write_bytes(shown)
  run = prepare(
      'webdataset', tmp_path / 'in', f'--exclude_images={tmp_path}/benchmark'
  )
  assert [t for _, t in run.parts] == ['number 0', 'number 1', 'number 3']
  assert run.drops == {'image is one of those excluded': 1}


@pytest.mark.parametrize('flags, count', [(['--deduplicate'], 4), ([], 6)])
def test_what_occurs_again_is_removed_if_that_is_asked_for(
    tmp_path, prepare, pairs, flags, count
):
  again = [(picture(0), 'a text'), (picture(9), 'Number 1')]
  exporters.webdataset(pairs + again, tmp_path / 'in')
  run = prepare('webdataset', tmp_path / 'in', *flags)
  assert [text for _, text in run.parts[:4]] == [text for _, text in pairs]
  assert len(run.parts) == count
  assert set(run.drops) == ({
      'images are those of an earlier document',
      'text is that of an earlier document',
  } if flags else set())


def test_large_pictures_are_made_small_and_others_keep_their_bytes(
    tmp_path, prepare
):
  pairs = [(picture(0, (400, 300)), 'large'), (picture(1, (115, 80)), 'small')]
  exporters.webdataset(pairs, tmp_path / 'in')
  for size, shapes in ((100, [(86, 115, 3), (80, 115, 3)]),
                       (0, [(300, 400, 3), (80, 115, 3)])):
    found = prepare(
        'webdataset', tmp_path / 'in', f'--image_size={size}', out=f'{size}'
    ).parts
    pixels = [media.decode_image(m.data, 'x') for m, _ in found]
    assert [p.shape for p in pixels] == shapes
    assert found[1][0].data == pairs[1][0]
    assert (found[0][0].data == pairs[0][0]) == (not size)


def test_large_and_fast_videos_become_a_frame_a_second(tmp_path, prepare):
  frames = np.zeros((12, 120, 160, 3), np.uint8)
  frames += 20 * np.arange(12, dtype=np.uint8)[:, None, None, None]
  exporters.video_tar(
      [(exporters.encode_video(frames, rate=4), 'brighter')], tmp_path / 'in'
  )
  ((clip, text),) = prepare('video', tmp_path / 'in', '--image_size=64').parts
  import av

  with av.open(io.BytesIO(clip.data)) as container:
    found = list(container.decode(video=0))
  assert text == 'brighter'
  assert [frame.time for frame in found] == [0, 1, 2]
  for frame, grey in zip(found, (0, 80, 160)):
    pixels = frame.to_ndarray(format='rgb24')
    assert pixels.shape == (56, 74, 3)
    np.testing.assert_allclose(pixels, grey, atol=4)


HTML = (
    '<html lang=en><p>Some words.<img src="a.png"><img src="a.png">'
    '<img srcset="s.png 100w, /l.png 900w" src="s.png">'
    '<img src="data:image/png;base64,xyz"><p>More words.'
)


def test_urls_are_listed_once_for_a_downloader(tmp_path, prepare, refuse):
  pages = tmp_path / 'pages.jsonl'
  pages.write_text(''.join(
      json.dumps({'url': f'http://x.org/{i}/', 'html': HTML}) + '\n'
      for i in range(2)
  ))
  urls = tmp_path / 'urls.txt'
  said = prepare('html', pages, f'--list_urls={urls}', out=None).said
  assert urls.read_text().split() == [
      'http://x.org/0/a.png', 'http://x.org/l.png', 'http://x.org/1/a.png'
  ]
  assert '3 URLs' in said
  page = tmp_path / 'page.html'
  page.write_text('<p>words<img src="a.png">')
  message = refuse('html', page, f'--list_urls={urls}', out=None)
  assert 'names no image on the web' in message


def test_a_scorer_drops_pages(tmp_path, prepare, refuse):
  (tmp_path / 'a.png').write_bytes(picture(0))
  page = tmp_path / 'page.html'
  page.write_text(f'<p>{exporters.PROSE.format(0)}<img src="a.png">')
  flags = 'html', page, '--filters=m3w'
  assert 'scorer builtins:len' in refuse(*flags, '--scorer=builtins:len<=9')
  assert len(prepare(*flags, '--scorer=builtins:len>=9', out='b').parts) == 1


def brightness(picture):
  """Of the green channel, from 0 to 255."""
  assert picture.mode == 'RGB'
  return np.asarray(picture)[..., 1].mean()


def test_an_image_scorer_drops_images_of_any_source(tmp_path, prepare, pairs):
  levels = [
      brightness(PIL.Image.open(io.BytesIO(image)).convert('RGB'))
      for image, _ in pairs
  ]
  scorer = f'tests.prepare.options_test:brightness>={sorted(levels)[3]}'
  run = prepare('webdataset', tmp_path / 'in', f'--image_scorer={scorer}')
  ((_, text),) = run.parts
  assert text == pairs[int(np.argmax(levels))][1]
  assert run.drops == {'scorer tests.prepare.options_test:brightness': 3}
  assert run.manifest['options']['image_scorers'] == [scorer]


def test_a_wrong_image_scorer_leaves_nothing_behind(tmp_path, refuse, pairs):
  wrong = '--image_scorer=no_such:function>=1'
  message = refuse('webdataset', tmp_path / 'in', wrong)
  assert 'is not understood' in message
  assert not (tmp_path / 'out').exists()
