# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Records what DeepMind's own NFNet computes.

Needs dm-haiku, and the folder nfnets/ of google-deepmind/deepmind-research on
PYTHONPATH. Writes haiku.json, the shapes of parameters, and haiku.npz, features.
Last run with dm-haiku 0.0.17 and jax 0.10.2.
"""

import json
import pathlib
import sys

import haiku as hk
import jax
from nfnets import base
from nfnets import nfnet
import numpy as np

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from reference_weights import values  # noqa: E402

SIZE = 21
base.nfnet_params['tiny'] = {
    'width': [32, 48], 'depth': [2, 3], 'group_width': [8, 8], 'train_imsize': 16,
    'test_imsize': SIZE, 'drop_rate': 0.0,
}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def grid(pixels):
  """The activated last convolution."""
  model = nfnet.NFNet(num_classes=3, variant='tiny')
  model(pixels, is_training=False)  # all of it has parameters
  x = model.stem(pixels)
  for block in model.blocks:
    x, _ = block(x, is_training=False)
  return model.activation(model.final_conv(x))


def main():
  """Writes both files."""
  pictures = np.random.default_rng(SIZE).integers(
      0, 256, (2, SIZE, SIZE, 3), np.uint8
  )
  pixels = (pictures / 255 - np.array(MEAN)) / np.array(STD)
  pixels = pixels.astype(np.float32)
  net = hk.without_apply_rng(hk.transform(grid))
  shapes = jax.tree.map(np.shape, net.init(jax.random.key(0), pixels))
  params = {
      module: {
          name: values(f'{module}/{name}', shape)
          for name, shape in parameters.items()
      } for module, parameters in shapes.items()
  }
  found = np.asarray(net.apply(params, pixels))
  print(found.shape, found.std())
  (HERE / 'haiku.json').write_text(json.dumps(shapes) + '\n')
  np.savez_compressed(HERE / 'haiku.npz', grid=found)


if __name__ == '__main__':
  main()
