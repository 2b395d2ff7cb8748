# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Flamingo-80B on 1536 chips of TPU v4, as in the paper (B.1.2)."""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
  """A slice for `launch/tpu_vm.py`, and the job of every worker."""
  return ConfigDict({
      'name': 'flamingo-80b',
      'project': '',  # gcloud's own setting
      'zone': 'us-central2-b',
      'accelerator': {'type': 'v4', 'topology': '8x12x16'},
      'runtime_version': 'tpu-ubuntu2204-base',
      'create_flags': ['reserved'],  # of queued-resources create
      'command': 'python -m t5x.train --gin_file=configs/flamingo_80b.gin',
      'bindings': {  # passed as --gin.NAME=VALUE
          'MODEL_DIR': 'gs://BUCKET/flamingo_80b',
          'DATA_DIR': '/mnt/data',  # mounted on every worker
          'VOCABULARY': 'gs://BUCKET/vocabulary.model',
          'VISION_ENCODER': 'gs://BUCKET/vision_encoder',
          'LANGUAGE_MODEL': 'gs://BUCKET/language_model',
      },
  })
