# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Flamingo-9B on 256 chips of TPU v5e."""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
  """A slice for `launch/tpu_vm.py`, and the job of every worker."""
  return ConfigDict({
      'name': 'flamingo-9b',
      'project': '',  # gcloud's own setting
      'zone': 'us-west4-a',
      'accelerator': {'accelerator-type': 'v5litepod-256'},
      'runtime_version': 'v2-alpha-tpuv5-lite',
      'create_flags': ['spot'],  # of queued-resources create
      'command': 'python -m t5x.train --gin_file=configs/flamingo_9b.gin',
      'bindings': {  # passed as --gin.NAME=VALUE
          'MODEL_DIR': 'gs://BUCKET/flamingo_9b',
          'DATA_DIR': '/mnt/data',  # mounted on every worker
          'VOCABULARY': 'gs://BUCKET/vocabulary.model',
          'VISION_ENCODER': 'gs://BUCKET/vision_encoder',
          'LANGUAGE_MODEL': 'gs://BUCKET/language_model',
      },
  })
