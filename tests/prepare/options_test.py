# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What the flags of flamingo prepare change."""

import io
import json

import numpy as np
import PIL.Image
import pytest

from flamingo_jax import cli
from flamingo_jax.data import media
from flamingo_jax.data import records
from tests.prepare import exporters
from tests.prepare.counting import png

FORMATS = {'png': 'PNG', 'jpg': 'JPEG'}


def picture(seed, size=(90, 80), ending='png'):
  """Of large squares, so that copies of it look alike."""
  squares = np.random.default_rng(seed).integers(0, 256, (8, 9), np.uint8)
  buffer = io.BytesIO()
  PIL.Image.fromarray(squares).resize(size, PIL.Image.Resampling.NEAREST).save(
      buffer, FORMATS[ending]
  )
  return buffer.getvalue()


def prepare(out, *arguments):
  """What manifest.json says, and the documents."""
  assert cli.main(
      ['prepare', *map(str, arguments), f'--out={out}', '--workers=0']
  ) == 0
  found = records.RecordDocuments(out)
  manifest = json.loads((out / 'manifest.json').read_text())
  return manifest, [found[i].parts for i in range(len(found))]


@pytest.fixture
def pairs(tmp_path):
  pairs = [(picture(i), f'number {i}') for i in range(4)]
  exporters.webdataset(pairs, tmp_path / 'in')
  return pairs


def test_images_of_a_benchmark_are_kept_out(tmp_path, pairs):
  (tmp_path / 'benchmark').mkdir()
  (tmp_path / 'benchmark' / 'labels.json').write_text('[]')
  (tmp_path / 'benchmark' / 'x.jpg').write_bytes(
      picture(2, (180, 160), 'jpg')  # the same picture, another file
  )
  made, found = prepare(
      tmp_path / 'out', 'webdataset', tmp_path / 'in',
      f'--exclude_images={tmp_path / "benchmark"}',
  )
  assert [text for _, text in found] == ['number 0', 'number 1', 'number 3']
  assert made['drops']['image is one of those excluded']['count'] == 1


def test_flat_images_of_a_benchmark_keep_out_their_own_bytes_alone(tmp_path):
  flat = [png(shade) for shade in range(3)]
  exporters.webdataset(
      [(data, f'shade {i}') for i, data in enumerate(flat)], tmp_path / 'in'
  )
  (tmp_path / 'benchmark').mkdir()
  (tmp_path / 'benchmark' / 'flat.png').write_bytes(flat[1])
  made, found = prepare(
      tmp_path / 'out', 'webdataset', tmp_path / 'in',
      f'--exclude_images={tmp_path / "benchmark"}',
  )
  assert [text for _, text in found] == ['shade 0', 'shade 2']
  assert made['drops']['image is one of those excluded']['count'] == 1


@pytest.mark.parametrize('flags, count', [(['--deduplicate'], 4), ([], 6)])
def test_what_occurs_again_is_removed_if_that_is_asked_for(
    tmp_path, pairs, flags, count
):
  again = [(picture(0), 'a text'), (picture(9), 'Number 1')]
  exporters.webdataset(pairs + again, tmp_path / 'in')
  made, found = prepare(
      tmp_path / 'out', 'webdataset', tmp_path / 'in', *flags
  )
  assert [text for _, text in found[:4]] == [text for _, text in pairs]
  assert len(found) == count
  assert set(made['drops']) == ({
      'images are those of an earlier document',
      'text is that of an earlier document',
  } if flags else set())


def test_large_pictures_are_made_small_and_others_keep_their_bytes(tmp_path):
  pairs = [(picture(0, (400, 300)), 'large'), (picture(1, (115, 80)), 'small')]
  exporters.webdataset(pairs, tmp_path / 'in')
  for size, shapes in ((100, [(86, 115, 3), (80, 115, 3)]),
                       (0, [(300, 400, 3), (80, 115, 3)])):
    _, found = prepare(
        tmp_path / f'{size}', 'webdataset', tmp_path / 'in',
        f'--image_size={size}',
    )
    pixels = [media.decode_image(m.data, 'x') for m, _ in found]
    assert [p.shape for p in pixels] == shapes
    assert found[1][0].data == pairs[1][0]
    assert (found[0][0].data == pairs[0][0]) == (not size)


def test_large_and_fast_videos_become_a_frame_a_second(tmp_path):
  frames = np.zeros((12, 120, 160, 3), np.uint8)
  frames += 20 * np.arange(12, dtype=np.uint8)[:, None, None, None]
  exporters.video_tar(
      [(exporters.encode_video(frames, rate=4), 'brighter')], tmp_path / 'in'
  )
  _, ((clip, text),) = prepare(
      tmp_path / 'out', 'video', tmp_path / 'in', '--image_size=64'
  )
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


def test_urls_are_listed_once_for_a_downloader(tmp_path, capsys):
  pages = tmp_path / 'pages.jsonl'
  pages.write_text(''.join(
      json.dumps({'url': f'http://x.org/{i}/', 'html': HTML}) + '\n'
      for i in range(2)
  ))
  out = tmp_path / 'urls.txt'
  assert cli.main(['prepare', 'html', str(pages), f'--list_urls={out}']) == 0
  assert out.read_text().split() == [
      'http://x.org/0/a.png', 'http://x.org/l.png', 'http://x.org/1/a.png'
  ]
  assert '3 URLs' in capsys.readouterr().out
  (tmp_path / 'folder').mkdir()
  (tmp_path / 'folder' / 'page.html').write_text('<p>words<img src="a.png">')
  assert cli.main([
      'prepare', 'html', str(tmp_path / 'folder'), f'--list_urls={out}'
  ]) == 2
  assert 'names no image on the web' in capsys.readouterr().err


def test_a_scorer_drops_pages(tmp_path, capsys):
  (tmp_path / 'in').mkdir()
  (tmp_path / 'in' / 'a.png').write_bytes(picture(0))
  (tmp_path / 'in' / 'page.html').write_text(
      f'<p>{exporters.PROSE.format(0)}<img src="a.png">'
  )
  arguments = ['prepare', 'html', str(tmp_path / 'in'), '--workers=0']
  for flag, status in (('builtins:len<=9', 2), ('builtins:len>=9', 0)):
    assert cli.main([
        *arguments, f'--out={tmp_path / str(status)}', f'--scorer={flag}',
        '--filters=m3w',
    ]) == status
    told = capsys.readouterr().err
    assert ('scorer builtins:len' in told) == (status == 2)


def brightness(picture):
  """Of the green channel, from 0 to 255."""
  assert picture.mode == 'RGB'
  return np.asarray(picture)[..., 1].mean()


def test_an_image_scorer_drops_images_of_any_source(tmp_path, pairs):
  levels = [
      brightness(PIL.Image.open(io.BytesIO(image)).convert('RGB'))
      for image, _ in pairs
  ]
  scorer = f'tests.prepare.options_test:brightness>={sorted(levels)[3]}'
  made, documents = prepare(
      tmp_path / 'out', 'webdataset', tmp_path / 'in',
      f'--image_scorer={scorer}',
  )
  ((_, text),) = documents
  assert text == pairs[int(np.argmax(levels))][1]
  drops = {reason: drop['count'] for reason, drop in made['drops'].items()}
  assert drops == {'scorer tests.prepare.options_test:brightness': 3}
  assert made['options']['image_scorers'] == [scorer]


def test_a_wrong_image_scorer_leaves_nothing_behind(tmp_path, pairs, capsys):
  assert cli.main([
      'prepare', 'webdataset', str(tmp_path / 'in'), '--workers=0',
      f'--out={tmp_path / "out"}', '--image_scorer=no_such:function>=1',
  ]) == 2
  assert 'is not understood' in capsys.readouterr().err
  assert not (tmp_path / 'out').exists()
