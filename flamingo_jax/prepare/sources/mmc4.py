# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Multimodal C4: sentences, and images that are to be put among them."""

from collections.abc import Iterator
import dataclasses
from typing import Any

import numpy as np
import scipy.optimize

from flamingo_jax.data import json_objects
from flamingo_jax.errors import UserError
from flamingo_jax.prepare import conversion
from flamingo_jax.prepare import fetched
from flamingo_jax.prepare import json_values
from flamingo_jax.prepare.source import (
    Converted, Dropped, Fitted, Fitter, Item, Source, Unit, find_files,
)

_LEAST_SIMILAR = 0.24  # of CLIP L/14, as OpenFlamingo has it


@dataclasses.dataclass(frozen=True)
class Mmc4(Source):
  """Pages whose images img2dataset has fetched.

  The published assignment was made with all images. After some are missing it
  is made anew: one sentence for each image, so that the sum of similarities is
  largest; an image goes before its sentence. Images that are hardly similar to
  theirs are left out.
  """

  paths: tuple[str, ...]  # JSONL files, also in ZIP, or folders of them
  # That were fetched; only `urls` does without.
  images: fetched.FetchedImages = fetched.FetchedImages('')

  def units(self) -> list[Unit]:
    files = find_files(self.paths, json_values.ENDINGS)
    units = [unit for file in files for unit in json_values.line_units(file)]
    self._check_first(units)
    return units

  def read(self, unit: Unit) -> Iterator[Item | Dropped]:
    return json_values.read_lines(unit)

  def convert(self, item: Item, fitter: Fitter) -> Converted:
    page = json_values.parse(item.value)
    sentences, similarity = _matrix(page)
    found, losses = {}, []
    for row, url in enumerate(_urls(page)):
      try:
        found[row] = fitter.fit(self.images.image(url))
      except Dropped as loss:
        losses.append(loss)
    placed = assign(similarity, sorted(found))
    losses += [
        Dropped('image fits no sentence', f'image {row}')
        for row in found if row not in placed.values()
    ]
    if not placed:
      raise Dropped('no image is left', ', '.join(d.reason for d in losses))
    parts = _interleave(sentences, {s: found[r] for s, r in placed.items()})
    return Converted.of(
        parts, item.place, losses, json_values.text_of(page, 'url')
    )

  def urls(self, item: Item) -> list[str]:
    """The images that a downloader has to fetch."""
    return list(filter(None, _urls(json_values.parse(item.value))))

  def _check_first(self, units: list[Unit]) -> None:
    """Raises UserError if the first line is JSON, but not of this format."""
    if not units:
      return
    item = next(conversion.read(self, units[0]), None)
    try:
      page = json_values.parse(item.value) if isinstance(item, Item) else None
    except Dropped:
      return
    keys = ('text_list', 'image_info', 'similarity_matrix')
    missing = [key for key in keys if page is not None and key not in page]
    if missing:
      raise UserError(
          f'{item.place} has no {" nor ".join(map(repr, missing))}; name files '
          'of MMC4 (of `flamingo prepare jsonl` if they have "parts")'
      )


def _urls(page: dict[str, Any]) -> list[str]:
  try:
    urls = [facts['raw_url'] for facts in page['image_info']]
    return [json_objects.text_of(url) or '' for url in urls]
  except (KeyError, TypeError) as error:
    raise Dropped('line is not a page of MMC4', repr(error)) from None


def _matrix(page: dict[str, Any]) -> tuple[list[str], np.ndarray]:
  """Sentences, and f64[images, sentences]."""
  try:
    sentences = list(map(json_objects.text_of, page['text_list']))
    matrix = np.asarray(page['similarity_matrix'], np.float64)
  except (KeyError, TypeError, ValueError) as error:
    raise Dropped('line is not a page of MMC4', repr(error)) from None
  if None in sentences:
    raise Dropped('line is not a page of MMC4', 'a sentence is not text')
  if matrix.shape != (len(_urls(page)), len(sentences)):
    raise Dropped(
        'similarities do not fit images and sentences', str(matrix.shape)
    )
  if not np.isfinite(matrix).all():
    raise Dropped('similarities are not numbers', '')
  return sentences, matrix


def assign(similarity: np.ndarray, images: list[int]) -> dict[int, int]:
  """Sentence -> image, for the images that are there, rows of the matrix."""
  if not images:
    return {}
  rows, sentences = scipy.optimize.linear_sum_assignment(-similarity[images])
  return {
      int(sentence): images[row] for row, sentence in zip(rows, sentences)
      if similarity[images[row], sentence] >= _LEAST_SIMILAR
  }


def _interleave(
    sentences: list[str], images: dict[int, Fitted]
) -> list[str | Fitted]:
  parts, text = [], []
  for number, sentence in enumerate(sentences):
    if number in images:
      parts += [' '.join(text)] if text else []
      parts.append(images[number])
      text = []
    text += [sentence] if sentence.strip() else []
  return parts + ([' '.join(text)] if text else [])
