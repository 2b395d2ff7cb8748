# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Sixty pictures that all differ, and what is to be said about each.

They are parts of twenty photographs that scikit-image and scikit-learn bring
along; nothing is downloaded.
"""

import dataclasses
import functools
import io

import av
import numpy as np
from PIL import Image, ImageDraw
from skimage import data
from sklearn import datasets

SIZE = 48  # pixels

# Of each photograph: (left, top, right, bottom) in percent, what is there, two
# captions, a question and its answer.
_PHOTOGRAPHS = {
    'astronaut': (
        ((0, 0, 100, 100), 'astronaut',
         'A woman in an orange space suit smiles.',
         'An astronaut poses with her helmet in front of a flag',
         'What colour is her suit?', 'orange'),
        ((30, 0, 65, 30), 'face',
         'The smiling face of a woman with curly brown hair.',
         'A woman smiles at the camera', 'Is she smiling?', 'yes'),
        ((52, 62, 100, 100), 'helmet',
         'A white helmet with a black visor.',
         "A space suit's helmet; its visor is dark",
         'How many helmets are there?', 'one'),
    ),
    'brick': (
        ((0, 0, 100, 100), 'wall', 'A wall of long, dark bricks.',
         'Bricks and mortar', 'What is the wall made of?', 'bricks'),
        ((0, 0, 40, 40), 'mortar', 'Pale mortar runs between dark bricks.',
         'A part of a brick wall', 'Is the mortar darker than the bricks?',
         'no'),
        ((60, 60, 100, 100), 'bricks', 'A few bricks of a wall, seen close by.',
         'Long bricks side by side', 'Is there a window in the wall?', 'no'),
    ),
    'camera': (
        ((0, 0, 100, 100), 'photographer',
         'A man with a camera on a tripod in a park.',
         'A man in a dark coat takes pictures on the grass',
         'How many people are there?', 'one'),
        ((20, 8, 70, 50), 'man', 'A man looks into the eyepiece of a camera.',
         'A man and his camera', 'What is the man doing?',
         'taking a picture'),
        ((50, 50, 90, 100), 'tripod', 'The legs of a tripod stand on grass.',
         'A tripod, seen from the side', 'How many legs does it have?',
         'three'),
    ),
    'cell': (
        ((0, 0, 100, 100), 'cell', 'One bright cell on dark ground.',
         'A round cell under a microscope', 'How many cells are there?', 'one'),
        ((55, 35, 95, 75), 'rim', 'A cell with a bright core and a dark rim.',
         'A white spot with a black ring', 'Is the rim dark?', 'yes'),
        ((0, 0, 50, 50), 'ground', 'Empty grey ground under a microscope.',
         'Nothing but grey', 'Is there a cell?', 'no'),
    ),
    'cat': (
        ((0, 0, 100, 100), 'cat', 'A cat looks to the side.',
         'The face of a ginger cat with long whiskers',
         'What animal is this?', 'cat'),
        ((20, 20, 55, 55), 'eye', 'The green eye of a cat.',
         'An eye and striped fur', 'What colour is the eye?', 'green'),
        ((40, 60, 80, 100), 'nose', "A cat's pink nose and white whiskers.",
         'The nose of an animal', 'Does it have whiskers?', 'yes'),
    ),
    'clock': (
        ((0, 0, 100, 100), 'clock', 'A clock, blurred as the camera moved.',
         'A blurred white clock on a wall', 'Is the picture sharp?', 'no'),
        ((30, 25, 75, 75), 'dial', 'The white dial of a clock, out of focus.',
         'Something round', 'What shape is the dial?', 'round'),
        ((50, 0, 100, 60), 'shadow', "A clock's edge and a plain grey wall.",
         'A wall with a shadow', 'What colour is the wall?', 'gray'),
    ),
    'coffee': (
        ((0, 0, 100, 100), 'cup of coffee',
         'A cup of coffee on a wooden table.',
         'Coffee in a red and white cup, with a spoon on its saucer',
         'What is in the cup?', 'coffee'),
        ((50, 40, 75, 85), 'spoon', 'A small spoon lies on a red saucer.',
         'A shiny tea spoon', 'What lies on the saucer?', 'a spoon'),
        ((25, 0, 70, 55), 'espresso', 'Espresso with some foam.',
         "It's espresso in a white cup", 'Is the cup empty?', 'no'),
    ),
    'coins': (
        ((0, 0, 100, 100), 'coins', 'Rows of ancient coins.',
         'Old coins lie in four rows on black cloth',
         'How many rows of coins are there?', 'four'),
        ((0, 0, 100, 27), 'row of coins', 'Six old coins in a row.',
         'Coins of different sizes', 'How many coins are there?', 'six'),
        ((78, 0, 100, 27), 'coin', 'A large coin with a standing figure.',
         'One old coin', 'How many coins do you see?', 'one'),
    ),
    'grass': (
        ((0, 0, 100, 100), 'grass', 'Short grass, seen from above.',
         'A lawn', 'What grows here?', 'grass'),
        ((0, 0, 50, 50), 'blades', 'Blades of grass lie across each other.',
         'Grass in a garden', 'Are there any flowers?', 'no'),
        ((50, 50, 100, 100), 'lawn', 'Dry blades at the corner of a lawn.',
         'Some dry grass', 'Is this indoors?', 'no'),
    ),
    'gravel': (
        ((0, 0, 100, 100), 'gravel', 'Grey gravel covers the ground.',
         'A path of gravel', 'What covers the ground?', 'gravel'),
        ((0, 0, 40, 40), 'stones', 'Small, sharp stones, close together.',
         'Many stones', 'Are the stones round?', 'no'),
        ((60, 50, 100, 90), 'pebbles', 'A heap of pebbles.',
         'Grey pebbles lie on a heap', 'Are there more than ten pebbles?',
         'yes'),
    ),
    'hubble_deep_field': (
        ((0, 0, 100, 100), 'galaxies', 'Galaxies on a black sky.',
         'A great many galaxies, near and far', 'What colour is the sky?',
         'black'),
        ((0, 0, 35, 35), 'stars', 'Points of light: red, white and blue.',
         'Stars in the night', 'Is it day?', 'no'),
        ((60, 50, 100, 100), 'space', 'Deep space, as a telescope sees it.',
         'The universe', 'What took this picture?', 'a telescope'),
    ),
    'immunohistochemistry': (
        ((0, 0, 100, 100), 'tissue',
         'Brown and blue tissue under a microscope.', 'Stained tissue', 'What colour is the stain?', 'brown'),
        ((45, 60, 80, 100), 'gland', 'A round gland, stained brown.',
         'A brown gland amid pale tissue', 'How many glands are there?', 'one'),
        ((70, 55, 100, 100), 'nuclei', 'Blue nuclei are scattered in tissue.',
         'Nuclei of cells', 'What colour are the nuclei?', 'blue'),
    ),
    'moon': (
        ((0, 0, 100, 100), 'moon', 'The surface of the moon, with craters.',
         'Craters on a grey plain', 'Is there any water?', 'no'),
        ((15, 8, 35, 28), 'crater', 'A round crater with a bright rim.',
         'A crater of the moon', 'How many craters are there?', 'one'),
        ((40, 50, 65, 100), 'hills', 'A chain of dark hills on the moon.',
         'Dark hills', 'Are the hills dark?', 'yes'),
    ),
    'page': (
        ((0, 0, 100, 100), 'page', 'A page of a book, with a title.',
         'The page tells how to segment a picture of coins',
         'What does the title say?', 'region-based segmentation'),
        ((0, 0, 100, 22), 'title', 'A title in large letters.',
         'The first line of a page', 'How many words are in the title?', 'two'),
        ((0, 22, 100, 75), 'paragraph', 'A paragraph of printed text.',
         'Five lines of a page', 'What is the first word?', 'Let'),
    ),
    'retina': (
        ((0, 0, 100, 100), 'retina', 'The back of an eye, round and red.',
         'A retina', 'Which organ is it?', 'the eye'),
        ((5, 30, 40, 65), 'nerve', 'The bright spot where a nerve begins.',
         'Vessels run out of a bright spot', 'Is the spot bright?', 'yes'),
        ((40, 35, 85, 80), 'vessels', 'Thin vessels around a dark spot.',
         'Red vessels', 'What colour are the vessels?', 'red'),
    ),
    'rocket': (
        ((0, 0, 100, 100), 'rocket', 'A rocket stands on its pad.',
         'A rocket waits between four towers at night', 'Is the rocket flying?',
         'no'),
        ((35, 25, 65, 100), 'pad', 'Lamps shine on a white rocket.',
         'A rocket at dusk', 'When was it taken?', 'at night'),
        ((0, 0, 30, 90), 'tower', 'A tall tower of steel.',
         'Two towers in the evening', 'What is the tower made of?', 'steel'),
    ),
    'text': (
        ((0, 0, 100, 100), 'handwriting', 'Formulas, written by hand.',
         'Notes on lined paper', 'Is the text printed?', 'no'),
        ((0, 0, 50, 50), 'formula', 'A part of a formula on lined paper.',
         'Some signs', 'What is written here?', 'a formula'),
        ((50, 50, 100, 100), 'strokes', 'Black strokes of a pen.',
         'Strokes on paper', 'What was it written with?', 'a pen'),
    ),
    'stereo_motorcycle': (
        ((0, 0, 100, 100), 'motorcycle', 'A red motorcycle in a garage.',
         'A motorcycle in front of a shelf', 'How many wheels are there?',
         'two'),
        ((65, 50, 100, 95), 'wheel', 'The front wheel of a motorcycle.',
         'A wheel on the floor', 'How many wheels do you see?', 'one'),
        ((40, 0, 95, 45), 'shelf', 'Boxes on a shelf behind a motorcycle.',
         'A full shelf', 'Where are the boxes?', 'on a shelf'),
    ),
    'china.jpg': (
        ((0, 0, 100, 100), 'pagoda', 'A pagoda above a lake.',
         "A tower with four roofs on the lake's shore",
         'What kind of building is it?', 'pagoda'),
        ((10, 50, 65, 90), 'balcony', 'Red columns and a green roof.',
         'The balcony of a tower', 'What colour are the columns?', 'red'),
        ((60, 10, 100, 60), 'lake', 'A lake behind a tree, under a pale sky.',
         'A view of a lake', 'Is it raining?', 'no'),
    ),
    'flower.jpg': (
        ((0, 0, 100, 100), 'flower', 'An orange flower before dark leaves.',
         'A dahlia and another one below', 'How many flowers are there?',
         'two'),
        ((25, 15, 75, 75), 'dahlia', 'The petals of an orange dahlia.',
         'A dahlia in full bloom', 'What colour are the petals?', 'orange'),
        ((0, 0, 25, 100), 'leaves', 'Dark green leaves, out of focus.',
         'Leaves', 'Is there a flower?', 'no'),
    ),
}


@dataclasses.dataclass(frozen=True)
class View:
  """A part of a photograph.

  Attributes:
    number: its place among all views.
    photograph: as scikit-image or scikit-learn name it.
    box: (left, top, right, bottom) in percent.
    thing: what is there; no two views have the same.
    captions: two.
    question: that only some views are asked.
    answer: to it.
  """

  number: int
  photograph: str
  box: tuple[int, int, int, int]
  thing: str
  captions: tuple[str, str]
  question: str
  answer: str

  @functools.cached_property
  def pixels(self) -> np.ndarray:
    """uint8[SIZE SIZE 3]."""
    whole = photograph(self.photograph)
    box = [
        percent * side / 100
        for percent, side in zip(self.box, whole.size * 2, strict=True)
    ]
    return np.asarray(whole.resize((SIZE, SIZE), box=box))


@functools.cache
def photograph(name: str) -> Image.Image:
  if name.endswith('.jpg'):
    pixels = datasets.load_sample_image(name)
  else:
    pixels = getattr(data, name)()
  pixels = pixels[0] if isinstance(pixels, tuple) else pixels  # the left eye's
  return Image.fromarray(pixels).convert('RGB')


VIEWS = tuple(
    View(number, name, box, thing, (one, other), question, answer)
    for number, (name, (box, thing, one, other, question, answer)) in enumerate(
        (name, row) for name, rows in _PHOTOGRAPHS.items() for row in rows
    )
)
# Every other view is asked about; of the rest most become shots. So both have
# all photographs, but no two rows have one picture.
QUERIES = VIEWS[::2]
UNUSED = VIEWS[5:36:6]
SUPPORTS = tuple(view for view in VIEWS[1::2] if view not in UNUSED)


def write_picture(path, view, text=''):
  path.parent.mkdir(parents=True, exist_ok=True)
  picture = Image.fromarray(view.pixels)
  if text:
    ImageDraw.Draw(picture).text((2, 2), text, fill='white')
  picture.save(path)


@functools.cache
def clip(number, suffix):
  """The bytes of a video that pans over a view: three frames, one a second."""
  file = io.BytesIO()
  with av.open(file, 'w', format=suffix) as container:
    stream = container.add_stream('mpeg4', rate=1)
    stream.width = stream.height = SIZE
    stream.pix_fmt = 'yuv420p'
    for shift in range(3):
      frame = np.roll(VIEWS[number].pixels, 6 * shift, axis=1)
      frame = av.VideoFrame.from_ndarray(frame, format='rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  return file.getvalue()


def write_clip(path, view):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(clip(view.number, path.suffix[1:]))
