# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Datasets that have been downloaded and prepared."""

from collections.abc import Iterator
import dataclasses
import functools
from typing import Any

import numpy as np

from flamingo_jax.data.documents import Media
from flamingo_jax.errors import UserError
from flamingo_jax.prepare import captioned
from flamingo_jax.prepare.source import Converted, Fitter, Item, Source, Unit

_PER_UNIT = 512  # examples


@dataclasses.dataclass(frozen=True)
class Tfds(Source):
  """A builder with an image and a text or a class.

  An image with several texts, such as those of COCO, is a document for each.
  """

  # The name of the builder, such as coco_captions/2014:1.1.0.
  paths: tuple[str, ...]
  split: str = 'train'  # of the builder
  # Where it was prepared; TensorFlow Datasets' own if not given.
  data_dir: str | None = None
  # The feature with the image; the first one by name if not given.
  image_key: str | None = None
  # The feature with the text, parts of a path with / between; the first one by
  # name, or else the first class, if not given.
  text_key: str | None = None

  def units(self) -> list[Unit]:
    if len(self.paths) != 1:
      raise UserError('tfds takes one builder; prepare each into its own --out')
    builder = _builder(self.paths[0], self.data_dir)
    splits = builder.info.splits
    if self.split not in splits:
      raise UserError(
          f'{self.paths[0]} has no split {self.split!r}, only '
          f'{", ".join(splits) or "none, as it was not prepared"}; pass --split'
      )
    self._keys()
    count = splits[self.split].num_examples
    return [
        Unit(self.paths[0], begin, min(begin + _PER_UNIT, count), begin)
        for begin in range(0, count, _PER_UNIT)
    ]

  def read(self, unit: Unit) -> Iterator[Item]:
    import tensorflow_datasets as tfds

    image_key, text_key = self._keys()
    builder = _builder(self.paths[0], self.data_dir)
    features = _flat(builder.info.features)
    examples = builder.as_dataset(
        split=f'{self.split}[{unit.begin}:{unit.end}]', shuffle_files=False,
        decoders=_skip_decoding(image_key),
        # One file at a time: in the order of the split.
        read_config=tfds.ReadConfig(interleave_cycle_length=1),
    )
    for number, example in enumerate(tfds.as_numpy(examples), unit.first):
      image = _get(example, image_key)
      texts = _texts(_get(example, text_key), features[text_key])
      for which, text in enumerate(texts):
        place = f'{unit.path}:{self.split}, example {number}'
        if len(texts) > 1:
          place = f'{place}, text {which}'
        yield Item(place, (image, text))

  def convert(self, item: Item, fitter: Fitter) -> Converted:
    data, text = item.value
    media = Media('image', item.place, data)
    return captioned.convert(
        media, text, item.place, fitter, f'{self._keys()[1]} (--text_key)'
    )

  def _keys(self) -> tuple[str, str]:
    """The features that hold the image and the text."""
    import tensorflow_datasets as tfds

    features = _flat(_builder(self.paths[0], self.data_dir).info.features)
    classes = tfds.features
    found = []
    for given, kinds, flag in (
        (self.image_key, (classes.Image,), '--image_key'),
        (self.text_key, (classes.Text, classes.ClassLabel), '--text_key'),
    ):
      fitting = [
          name for kind in kinds for name, feature in features.items()
          if isinstance(_inner(feature), kind)
      ]
      remedy = f'pass {flag} with one of these' if fitting else (
          'name a builder of images with texts or classes'
      )
      if not fitting or (given is not None and given not in fitting):
        raise UserError(
            f'{self.paths[0]} has no feature for {flag}'
            f'{"" if given is None else f"={given}"}, only '
            f'{", ".join(fitting or features)}; {remedy}'
        )
      found.append(given or fitting[0])
    return found[0], found[1]


@functools.lru_cache(maxsize=1)
def _builder(name: str, data_dir: str | None) -> Any:
  """A builder that was prepared.

  Raises:
    UserError: there is none of this name.
  """
  from flamingo_jax.data import quiet_tensorflow

  quiet_tensorflow.load()
  import tensorflow_datasets as tfds

  try:
    return tfds.builder(name, data_dir=data_dir)
  except (tfds.core.DatasetNotFoundError, ValueError, FileNotFoundError) as e:
    reason = str(e).strip().splitlines()[0]
    raise UserError(
        f'{name} is not a builder of TensorFlow Datasets ({reason}); download and '
        'prepare it, and pass its folder as --data_dir'
    ) from None


def _flat(features: Any, prefix: str = '') -> dict[str, Any]:
  """{'captions/text': feature} of nested features, by name."""
  flat = {}
  for name, feature in sorted(features.items()):  # else by chance
    inner = _inner(feature)
    if hasattr(inner, 'items'):
      flat |= _flat(inner, f'{prefix}{name}/')
    else:
      flat[f'{prefix}{name}'] = feature
  return flat


def _inner(feature: Any) -> Any:
  """What a sequence is of; the feature itself if it is none."""
  return getattr(feature, 'feature', feature)


def _skip_decoding(key: str) -> Any:
  """Decoders that leave the image encoded."""
  import tensorflow_datasets as tfds

  decoders = tfds.decode.SkipDecoding()
  for name in reversed(key.split('/')):
    decoders = {name: decoders}
  return decoders


def _get(example: Any, key: str) -> Any:
  for name in key.split('/'):
    example = example[name]
  return example


def _texts(value: Any, feature: Any) -> list[str]:
  """All texts of a feature, or the names of its classes; [''] if none."""
  values = [value] if isinstance(value, bytes) else np.ravel(value).tolist()
  names = getattr(_inner(feature), 'int2str', None)
  if names:
    return [names(v).replace('_', ' ') for v in values] or ['']
  return [v.decode('utf-8', 'replace') for v in values] or ['']
