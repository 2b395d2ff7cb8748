# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Slices for `launch/tpu_vm.py`, and the job of every worker of each."""

from ml_collections import ConfigDict

# Model, zone, accelerator, runtime, and how it is asked for: a flag of `gcloud
# ... queued-resources create`. In the paper 80B is on 1536 chips of TPU v4
# (B.1.2); the names of v5p count cores, two on a chip.
PODS = {
    'v5e_256': (
        '9b', 'us-west4-a', {'accelerator-type': 'v5litepod-256'},
        'v2-alpha-tpuv5-lite', 'spot',
    ),
    'v6e_256': (
        '9b', 'us-east5-b', {'accelerator-type': 'v6e-256'},
        'v2-alpha-tpuv6e', 'spot',
    ),
    'v4_1536': (
        '80b', 'us-central2-b', {'type': 'v4', 'topology': '8x12x16'},
        'tpu-ubuntu2204-base', 'reserved',
    ),
    'v5p_1024': (
        '80b', 'us-east5-a', {'accelerator-type': 'v5p-2048'},
        'v2-alpha-tpuv5', 'reserved',
    ),
}
BINDINGS = {
    # Frozen weights fit cut in two, and a larger batch pays for the gathering
    # of the trainables (docs/performance.md).
    'v5p_1024': {
        'MESH_SHAPE': {'fsdp': 512, 'model': 2},
        'BATCH_SIZES': {'m3w': 4096, 'align': 8192, 'ltip': 8192, 'vtp': 1024},
    },
}


def get_config(name: str = '') -> ConfigDict:
  """The slice of a row of PODS."""
  if name not in PODS:
    raise SystemExit(
        f'error: there is no pod {name!r}: give --pod=launch/pods.py:NAME, one '
        f'of {", ".join(PODS)}'
    )
  model, zone, accelerator, runtime_version, flag = PODS[name]
  return ConfigDict({
      'name': f'flamingo-{model}',
      'project': '',  # gcloud's own setting
      'zone': zone,
      'accelerator': accelerator,
      'runtime_version': runtime_version,
      'create_flags': [flag],
      'command': f'python -m t5x.train --gin_file=configs/flamingo_{model}.gin',
      'bindings': {  # passed as --gin.NAME=VALUE
          'MODEL_DIR': f'gs://BUCKET/flamingo_{model}',
          'DATA_DIR': '/mnt/data',  # mounted on every worker
          'VOCABULARY': 'gs://BUCKET/vocabulary.model',
          'VISION_ENCODER': 'gs://BUCKET/vision_encoder',
          'LANGUAGE_MODEL': 'gs://BUCKET/language_model',
          **BINDINGS.get(name, {}),
      },
  })
