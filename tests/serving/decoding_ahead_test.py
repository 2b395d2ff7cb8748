# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures that come again are decoded once, as far as memory is for that."""

import base64
import io

import numpy as np
import pytest

from flamingo_jax.data import data_uri
from flamingo_jax.data.media import Media
from flamingo_jax.errors import UserError
from flamingo_jax.picture_size import ArraySize, PictureSize
from flamingo_jax.serving import decoding_ahead
from tests.serving.http_client import png


def test_pictures_that_come_again(monkeypatch):
  size = PictureSize(8)
  monkeypatch.setattr(decoding_ahead, '_KEPT', 2 * 8 * 8 * 3)
  decoder = decoding_ahead.Decoder(size, 2, 1.0, 10**6)
  encoded = [base64.b64decode(png(i).partition(',')[2]) for i in range(3)]
  decode = lambda i, place='a': decoder.medium(Media('image', place, encoded[i]))
  first = decode(0)
  assert decode(0, 'b').data is first.data and decode(0, 'b').path == 'b'
  decode(1)
  decode(0)
  decode(2)  # of two, the one that was used longest ago makes way
  assert decode(0).data is first.data
  # The same file is another medium as a video.
  assert decoder.medium(Media('video', 'a', encoded[0])).data is not first.data
  for _ in range(2):
    with pytest.raises(UserError, match='a is corrupt'):
      decoder.medium(Media('image', 'a', encoded[0][:-300]))


def test_a_uri_that_comes_again_is_not_read(monkeypatch):
  decoder = decoding_ahead.Decoder(PictureSize(8), 2, 1.0, 10**6)
  read, decode = [], data_uri.decode
  monkeypatch.setattr(
      data_uri, 'decode', lambda uri: read.append(uri) or decode(uri)
  )
  first = decoder.data_uri('image', 'a', png(0))
  again = decoder.data_uri('image', 'b', png(0))
  assert again.data is first.data and again.path == 'b' and len(read) == 1
  assert decoder.data_uri('video', 'a', png(0)).data is not first.data
  for uri in (png(0) + '\ud800', 'data:\ud800,x'):  # JSON may say such halves
    with pytest.raises(UserError):
      decoder.data_uri('image', 'a', uri)


def test_features_of_a_request_are_held_to_the_model():
  file = io.BytesIO()
  np.save(file, np.full((1, 2, 3), 5, np.float32))
  features = Media('features', 'prompt[0]', file.getvalue())
  decoder = decoding_ahead.Decoder(ArraySize(2, 3), 2, 1.0, 1)
  found = decoder.medium(features).data
  assert found.pixels.tolist() == [[[5] * 3] * 2, [[0] * 3] * 2]
  assert found.mask.tolist() == [True, False]
  for size, sentence in (
      (ArraySize(2, 4), 'features prompt.0. has frames of 2 x 3 .* of 2 x 4 are'),
      (PictureSize(8), 'features prompt.0. is an array, where pictures are'),
      (None, 'is not text, and this model reads text alone'),
  ):
    with pytest.raises(UserError, match=sentence):
      decoding_ahead.Decoder(size, 2, 1.0, 1).medium(features)
