# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Flamingo-80B on 1024 chips of TPU v5p; their names count cores."""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
  """A slice for `launch/tpu_vm.py`, and the job of every worker."""
  return ConfigDict({
      'name': 'flamingo-80b',
      'project': '',  # gcloud's own setting
      'zone': 'us-east5-a',
      'accelerator': {'accelerator-type': 'v5p-2048'},
      'runtime_version': 'v2-alpha-tpuv5',
      'create_flags': ['reserved'],  # of queued-resources create
      'command': 'python -m t5x.train --gin_file=configs/flamingo_80b.gin',
      'bindings': {  # passed as --gin.NAME=VALUE
          'MODEL_DIR': 'gs://BUCKET/flamingo_80b',
          'DATA_DIR': '/mnt/data',  # mounted on every worker
          'VOCABULARY': 'gs://BUCKET/vocabulary.model',
          'VISION_ENCODER': 'gs://BUCKET/vision_encoder',
          'LANGUAGE_MODEL': 'gs://BUCKET/language_model',
          # Frozen weights fit cut in two, and a larger batch pays for the
          # gathering of the trainables (docs/performance.md).
          'MESH_SHAPE': {'fsdp': 512, 'model': 2},
          'BATCH_SIZES': {
              'm3w': 4096, 'align': 8192, 'ltip': 8192, 'vtp': 1024
          },
      },
  })
