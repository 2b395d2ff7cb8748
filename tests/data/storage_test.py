# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A full disk, a quota, a bucket's limits and a device's memory told apart."""

import errno
import os

import pytest

from flamingo_jax.data import storage

# What Linux, TensorStore, TensorFlow, Google's and Amazon's services write.
FULL = [
    OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    ValueError('RESOURCE_EXHAUSTED: Error writing "/runs/x/d/1": No space left '
               'on device [OS error 28: ENOSPC No space left on device]'),
]
DISK_QUOTA = [
    OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
    ValueError('Error writing "/runs/x": Disk quota exceeded [OS error 122]'),
]
BUCKET_RATE = [
    ValueError('UNAVAILABLE: Error writing "gs://b/x": HTTP response code: 429 '
               'with body: {"error": {"code": 429}}'),
    RuntimeError('gs://b/x: The object exceeded the rate limit for object '
                 'mutation operations (create, update, and delete).'),
    RuntimeError("429 Quota exceeded for quota metric 'Write requests' of "
                 "service 'storage.googleapis.com'"),
    RuntimeError('s3://b/x: SlowDown: Please reduce your request rate.'),
    RuntimeError('s3://b/x: 503 TooManyRequests'),
]
BUCKET_QUOTA = [
    RuntimeError('gs://b/x: Quota exceeded'),
    RuntimeError('403: storage.googleapis.com: quotaExceeded'),
    RuntimeError('Bucket quota exceeded'),
    RuntimeError('RESOURCE_EXHAUSTED: gs://b/x'),
]
SOMETHING_ELSE = [
    None,
    ValueError('step 429 of gs://b/x is not there'),
    PermissionError(errno.EACCES, 'Permission denied'),
    RuntimeError('RESOURCE_EXHAUSTED: Out of memory while trying to allocate '
                 '429 bytes.'),
    RuntimeError('RESOURCE_EXHAUSTED: Attempting to reserve 4.29G at the '
                 'bottom of memory. That was not possible.'),
    RuntimeError('RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm. '
                 'Exceeded hbm capacity by 429.00M'),
    RuntimeError('RESOURCE_EXHAUSTED: the TPU is in use'),
]


@pytest.mark.parametrize('errors, words', [
    (FULL, 'the disk is full'),
    (DISK_QUOTA, 'the disk quota is exceeded'),
    (BUCKET_RATE, 'the bucket is sent more requests'),
    (BUCKET_QUOTA, "the bucket's quota is exceeded"),
])
def test_each_limit_is_told_as_what_it_is(errors, words):
  for error in errors:
    assert storage.explain(error).reason.startswith(words), error
    outer = ValueError('a checkpoint could not be saved')
    outer.__cause__ = error
    assert storage.explain(outer) == storage.explain(error)


def test_the_path_tells_a_bucket_s_quota_from_a_disk_s():
  error = RuntimeError('Quota exceeded')
  assert 'bucket' in storage.explain(error, 'gs://b/run').reason
  assert 'disk quota' in storage.explain(error, '/runs/x').reason
  assert storage.explain(error).reason == 'a quota is exceeded'


@pytest.mark.parametrize('error', SOMETHING_ELSE)
def test_the_memory_of_a_device_is_no_disk_and_no_bucket(error):
  assert storage.explain(error) is None
  memory = 'Out of memory' in str(error)
  assert not memory or storage.explain(error, 'gs://b/run') is None
