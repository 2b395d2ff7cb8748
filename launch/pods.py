# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Slices of Cloud TPUs and what each trains, for `launch/tpu_vm.py`."""

from typing import Any

from ml_collections import ConfigDict


def _pod(size: str, **fields: Any) -> dict[str, Any]:
  """A slice that trains a size of Flamingo on every worker."""
  gin_file = f'configs/flamingo_{size}.gin'
  bindings = {  # passed as --gin.NAME=VALUE
      'MODEL_DIR': f'gs://BUCKET/flamingo_{size}',
      'DATA_DIR': '/mnt/data',  # mounted on every worker
      'VOCABULARY': 'gs://BUCKET/vocabulary.model',
      'VISION_ENCODER': 'gs://BUCKET/vision_encoder',
      'LANGUAGE_MODEL': 'gs://BUCKET/language_model',
  }
  return {
      'name': f'flamingo-{size}',
      'project': '',  # gcloud's own setting
      'command': f'python -m t5x.train --gin_file={gin_file}',
  } | fields | {'bindings': bindings | fields.get('bindings', {})}


# create_flags are those of gcloud's queued-resources create.
PODS = {
    # As in the paper (B.1.2).
    'v4_1536': _pod(
        '80b', zone='us-central2-b',
        accelerator={'type': 'v4', 'topology': '8x12x16'},
        runtime_version='tpu-ubuntu2204-base', create_flags=['reserved'],
    ),
    'v5e_256': _pod(
        '9b', zone='us-west4-a',
        accelerator={'accelerator-type': 'v5litepod-256'},
        runtime_version='v2-alpha-tpuv5-lite', create_flags=['spot'],
    ),
    # The type counts cores, of which a chip has two. Frozen weights fit cut in
    # two, and a larger batch pays for the gathering of the trainables
    # (docs/performance.md).
    'v5p_1024': _pod(
        '80b', zone='us-east5-a', accelerator={'accelerator-type': 'v5p-2048'},
        runtime_version='v2-alpha-tpuv5', create_flags=['reserved'],
        bindings={
            'MESH_SHAPE': {'fsdp': 512, 'model': 2},
            'BATCH_SIZES': {
                'm3w': 4096, 'align': 8192, 'ltip': 8192, 'vtp': 1024
            },
        },
    ),
    'v6e_256': _pod(
        '9b', zone='us-east5-b', accelerator={'accelerator-type': 'v6e-256'},
        runtime_version='v2-alpha-tpuv6e', create_flags=['spot'],
    ),
}


def get_config(name: str = '') -> ConfigDict:
  """A row of `PODS`, which --pod=launch/pods.py:NAME asks for."""
  if name not in PODS:
    raise SystemExit(f'error: no pod {name!r}: there are {", ".join(PODS)}')
  return ConfigDict(PODS[name])
