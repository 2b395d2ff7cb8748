# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Records what vision encoders of timm compute, alone and within open_clip.

As record_vision.py, into timm.json and timm.npz. Last run with timm 1.0.31,
open_clip_torch 3.3.0 and torch 2.13.0.
"""

import json
import pathlib
import sys
import tempfile

import numpy as np
import open_clip
import PIL.Image
import timm
from timm.models import _hub
from timm.models import vision_transformer
import torch

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))
from photographs import photographs  # noqa: E402
from record_vision import pictures  # noqa: E402
from reference_weights import values  # noqa: E402

VIT = {'embed_dim': 16, 'depth': 3, 'num_heads': 4, 'patch_size': 4,
       'mlp_ratio': 2, 'img_size': 12}
# Architecture, and what is built otherwise than its name says.
CASES = {
    # Windows reach over the edge of 21 pixels, which are 3 x 3 places.
    'nfnet': ('dm_nfnet_f0', {
        'depths': [2, 3], 'channels': [32, 48], 'stem_chs': 32,
        'group_size': 8, 'num_features': 96,
    }, (16, 21)),
    'vit': ('vit_base_patch16_224', VIT, None),
    # The first places are those of the class token and of registers.
    'vit_registers': ('vit_base_patch16_224', VIT | {'reg_tokens': 2}, None),
    'clip': ('vit_base_patch32_clip_quickgelu_224', VIT, None),
    # 14 pixels are 3 patches of 4, and what is left over is cut off.
    'siglip': ('vit_so400m_patch16_siglip_256', VIT | {'img_size': 14}, None),
    'dinov2': ('vit_small_patch14_dinov2', VIT, None),
    'dinov2_giant': ('vit_giant_patch14_reg4_dinov2', VIT, None),
}


@timm.models.register_model
def vit_micro_patch4_siglip_12(pretrained=False, **kwargs):
  """SigLIP for open_clip, which knows timm's encoders by name alone."""
  args = VIT | {'class_token': False, 'global_pool': 'map'} | kwargs
  return vision_transformer._create_vision_transformer(
      'vit_base_patch16_siglip_224', pretrained=pretrained, **args
  )


def features(model, size, mean, std):
  """Of patches behind the last norm, or of the grid."""
  pixels = (pictures(size) / np.float32(255) - np.array(mean)) / np.array(std)
  pixels = torch.tensor(pixels.transpose(0, 3, 1, 2), dtype=torch.float32)
  with torch.no_grad():
    found = model.forward_features(pixels)
  if found.ndim == 4:
    return found.permute(0, 2, 3, 1).numpy()
  return found[:, model.num_prefix_tokens :].numpy()


def fill(model):
  """Gives a model its weights, and returns their shapes."""
  shapes = {name: tuple(x.shape) for name, x in model.state_dict().items()}
  model.load_state_dict({
      name: torch.tensor(values(name, shape)) for name, shape in shapes.items()
  })
  return shapes


def record(name, args, sizes):
  """(config.json, shapes, features) of one model."""
  model = timm.create_model(name, num_classes=3, **args).eval()
  shapes = fill(model)
  with tempfile.TemporaryDirectory() as folder:
    _hub.save_for_hf(model, folder, model_args=args, safe_serialization=True)
    config = json.loads(pathlib.Path(folder, 'config.json').read_text())
  told = config['pretrained_cfg']
  size = args.get('img_size', 0)
  if sizes:
    for key, side in zip(('input_size', 'test_input_size'), sizes):
      told[key] = [3, side, side]
    size = sizes[-1]
  return config, shapes, features(model, size, told['mean'], told['std'])


def squares(config, size):
  """uint8[6 h w 3] that timm makes of photographs to evaluate."""
  told = config['pretrained_cfg'] | {'input_size': (3, size, size)}
  told |= {'mean': (0, 0, 0), 'std': (1, 1, 1)}
  names = 'input_size mean std interpolation crop_pct crop_mode'.split()
  transform = timm.data.create_transform(
      **{name: told[name] for name in names if name in told}
  )
  pixels = [
      transform(PIL.Image.fromarray(picture)).numpy().transpose(1, 2, 0)
      for picture in list(photographs().values())[:6]
  ]
  return np.round(255 * np.stack(pixels)).astype(np.uint8)


def record_open_clip():
  """As record, of a SigLIP that open_clip has written."""
  vision = {'image_size': 12, 'timm_model_name': 'vit_micro_patch4_siglip_12',
            'timm_model_pretrained': False, 'timm_pool': 'map',
            'timm_proj': 'none'}
  text = {'context_length': 5, 'vocab_size': 9, 'width': 8, 'heads': 1,
          'layers': 1, 'no_causal_mask': True, 'proj_bias': True,
          'pool_type': 'last'}
  model = open_clip.CustomTextCLIP(16, vision, text, init_logit_bias=-10)
  shapes = fill(model.eval())
  mean = std = [0.5, 0.5, 0.5]
  config = {
      'model_cfg': {'embed_dim': 16, 'init_logit_bias': -10,
                    'custom_text': True, 'vision_cfg': vision,
                    'text_cfg': text},
      'preprocess_cfg': {'mean': mean, 'std': std, 'interpolation': 'bicubic',
                         'resize_mode': 'squash'},
  }
  return config, shapes, features(model.visual.trunk, 12, mean, std)


def main():
  """Writes both files."""
  told, found = {}, {}
  for name, case in (*CASES.items(), ('open_clip_siglip', None)):
    config, shapes, found[name] = record(*case) if case else record_open_clip()
    told[name] = {'config': config, 'tensors': shapes}
    print(name, found[name].shape, found[name].std())
  for name, size in (('nfnet', 21), ('vit', 12)):
    found[f'{name} squares'] = squares(told[name]['config'], size)
  (HERE / 'timm.json').write_text(json.dumps(told) + '\n')
  np.savez_compressed(HERE / 'timm.npz', **found)


if __name__ == '__main__':
  main()
