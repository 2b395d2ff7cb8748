# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Records which squares the reference processors make of 20 photographs.

As record.py, into squares.json (what each processor says) and squares.npz; needs
scikit-image too, whose photographs they are. Last run with transformers 5.23.0,
open_clip_torch 3.3.0, torchvision 0.28.0 and scikit-image 0.26.0.
"""

import json
import pathlib
import sys
import tempfile

import numpy as np
import open_clip
import PIL.Image
import transformers

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from photographs import photographs  # noqa: E402

CASES = {
    'clip': ('CLIP', {'size': {'shortest_edge': 19}, 'crop_size': 19}),
    'siglip': ('Siglip', {'size': {'height': 19, 'width': 19}}),
    'siglip2': ('Siglip', {
        'size': {'height': 19, 'width': 19}, 'resample': 2,
    }),
    'dinov2': ('Bit', {'size': {'shortest_edge': 22}, 'crop_size': 19}),
}


def record(kind, options):
  """(what the processor says, uint8[20 h w 3]) of one of transformers."""
  processor = getattr(transformers, f'{kind}ImageProcessor')(
      **options, image_mean=[0.0] * 3, image_std=[1.0] * 3
  )
  with tempfile.TemporaryDirectory() as folder:
    processor.save_pretrained(folder)
    file = pathlib.Path(folder, 'preprocessor_config.json')
    told = json.loads(file.read_text())
  pixels = [
      processor(picture, return_tensors='pt')['pixel_values'][0].numpy()
      for picture in photographs().values()
  ]
  told['image_mean'] = [0.5] * 3  # 0 is none of a real one
  return told, as_bytes(pixels)


def record_open_clip():
  """As record, of open_clip's."""
  transform = open_clip.image_transform(
      19, is_train=False, mean=[0.0] * 3, std=[1.0] * 3
  )
  pixels = [
      transform(PIL.Image.fromarray(picture)).numpy()
      for picture in photographs().values()
  ]
  return {'size': 19, 'mean': [0.5] * 3, 'std': [1.0] * 3}, as_bytes(pixels)


def as_bytes(pixels):
  """[3 h w] in [0, 1] to uint8[h w 3]."""
  return np.round(255 * np.stack(pixels)).astype(np.uint8).transpose(0, 2, 3, 1)


def main():
  """Writes both files."""
  told, squares = {}, {}
  for name, case in CASES.items():
    told[name], squares[name] = record(*case)
  told['open_clip'], squares['open_clip'] = record_open_clip()
  (HERE / 'squares.json').write_text(json.dumps(told) + '\n')
  np.savez_compressed(HERE / 'squares.npz', **squares)


if __name__ == '__main__':
  main()
