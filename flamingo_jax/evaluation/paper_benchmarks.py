# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's benchmarks as a table (Flamingo Table 6, A.2, B.1.5).

Benchmarks made since then for learning in context are in `icl_benchmarks`.
Adding a benchmark is adding a row here, and a reader if its files are of a
format that none has yet. Nothing is ever downloaded.
"""

from collections.abc import Mapping
import dataclasses
import difflib
import re
from typing import Any

from flamingo_jax import own_objects
from flamingo_jax.errors import UserError, shown
from flamingo_jax.evaluation import icl_benchmarks
from flamingo_jax.evaluation import metrics
from flamingo_jax.evaluation import openflamingo_prompts
from flamingo_jax.evaluation import submissions
from flamingo_jax.evaluation.benchmark import SHOTS, Benchmark
from flamingo_jax.evaluation.prompts import PAPER
from flamingo_jax.evaluation.readers import captions, choices, questions

_SUPPORTS_OF_A_CLASS = 32
_CAPTION = 'Output:'
_QUESTION = 'Question: {question} Answer:'
_QA_WORDS = ('Question', 'Answer')


def _captions(name, title, **row) -> Benchmark:
  """A row of pictures or clips to describe."""
  row = {'prompt': _CAPTION, 'metrics': (metrics.CIDER,),
         'max_new_tokens': 20, 'trim': ('Output',), **row}
  return Benchmark(name, title, **row)


def _questions(name, title, **row) -> Benchmark:
  """A row of questions that are answered in words."""
  row = {'prompt': _QUESTION, 'max_new_tokens': 10, 'trim': _QA_WORDS, **row}
  return Benchmark(name, title, **row)


_VQA_METRICS = (
    metrics.VQA_ACCURACY, metrics.VQA_ACCURACY_ALWAYS_NORMALISED
)
_COCO_IMAGES = 'train2014/ and val2014/ with COCO_train2014_<12 digits>.jpg ...'
_KARPATHY = 'caption_datasets.zip of cs.stanford.edu/people/karpathy'


def _coco_questions(prefix: str, answers: str, **more) -> dict:
  """Files of questions and answers in COCO's style, by split."""
  pair = lambda part: (
      f'{prefix}{part}2014_questions.json', f'{answers}{part}2014_annotations'
      '.json',
  )
  return {'train': pair('train'), 'validation': pair('val'), **more}


def _parts(files: str, **parts: str) -> dict[str, tuple[str, ...]]:
  """Files by split, whose names differ in a part; {} stands for it."""
  parts = parts or {'train': 'train', 'validation': 'val', 'test': 'test'}
  return {
      split: tuple(file.format(part) for file in files.split())
      for split, part in parts.items()
  }


_ROWS = (
    _captions(
        'coco', 'MS-COCO', read=captions.karpathy,
        splits=dict.fromkeys(
            ('test', 'validation', 'train'), ('dataset_coco.json',)
        ),
        split='test', origin=_KARPATHY, media=_COCO_IMAGES,
        submission=submissions.captions('image_id'),
    ),
    _captions(
        'flickr30k', 'Flickr30k', read=captions.karpathy,
        splits=dict.fromkeys(
            ('test', 'validation', 'train'), ('dataset_flickr30k.json',)
        ),
        split='test', origin=_KARPATHY, media='flickr30k-images/<id>.jpg',
        submission=submissions.captions('image_id'),
    ),
    _questions(
        'vqav2', 'VQAv2', read=questions.vqa,
        splits=_coco_questions(
            'v2_OpenEnded_mscoco_', 'v2_mscoco_',
            test_dev=('v2_OpenEnded_mscoco_test-dev2015_questions.json',),
        ),
        split='validation', origin='visualqa.org/download.html',
        media=_COCO_IMAGES, metrics=_VQA_METRICS,
        secret=('test_dev',),
        submission=submissions.answers('question_id'),
    ),
    _questions(
        'okvqa', 'OK-VQA', read=questions.okvqa,
        splits=_coco_questions('OpenEnded_mscoco_', 'mscoco_'),
        split='validation', origin='okvqa.allenai.org/download.html',
        media=_COCO_IMAGES,
        metrics=(*_VQA_METRICS, metrics.VQA_ACCURACY_STEMMED),
        submission=submissions.answers('question_id'),
    ),
    _questions(
        'textvqa', 'TextVQA', read=questions.textvqa,
        splits=_parts('TextVQA_0.5.1_{}.json'),
        split='validation', origin='textvqa.org/dataset',
        media='train_images/<image_id>.jpg, test_images/',
        secret=('test',),
        metrics=(metrics.TEXTVQA_ACCURACY, *_VQA_METRICS),
        submission=submissions.answers('question_id'),
    ),
    _questions(
        'vizwiz', 'VizWiz', read=questions.vizwiz,
        splits=_parts('{}.json'),
        split='validation', origin='vizwiz.org/tasks-and-datasets/vqa',
        media='train/, val/ and test/', metrics=_VQA_METRICS,
        secret=('test',),
        submission=submissions.answers('image'),
    ),
    Benchmark(
        'visdial', 'VisDial', choices.visdial,
        splits={
            'train': ('visdial_1.0_train.json',),
            'validation': ('visdial_1.0_val.json',
                           'visdial_1.0_val_dense_annotations.json'),
        },
        split='validation', origin='visualdialog.org/data',
        media='VisualDialog_val2018/, and COCO\'s train2014/ and val2014/',
        prompt='{caption} {history}' + _QUESTION, metrics=(metrics.NDCG,),
        submission=submissions.RANKS, shots=SHOTS[:-1],
    ),
    Benchmark(
        'hateful_memes', 'HatefulMemes', choices.hateful_memes,
        splits={
            split: (f'{split}.jsonl',)
            for split in ('train', 'dev_seen', 'test_seen')
        },
        split='test_seen', origin='hatefulmemeschallenge.com', media='img/',
        prompt='is an image with written: "{text}" on it. Is it hateful? '
        'Answer:',
        metrics=(metrics.ROC_AUC, metrics.AVERAGE_PRECISION),
        secret=('test_seen',),
        submission=submissions.PROBABILITIES,
    ),
    _questions(
        'msvdqa', 'MSVDQA', read=questions.msvdqa,
        splits=_parts('{}_qa.json youtube_mapping.txt'),
        split='test', origin='github.com/xudejing/video-question-answering',
        media='YouTubeClips/<name>.avi', shows='video', metrics=(metrics.TOP1,),
        submission=submissions.answers('id'),
    ),
    _questions(
        'msrvttqa', 'MSRVTTQA', read=questions.msrvttqa,
        splits=_parts('{}_qa.json'),
        split='test', origin='github.com/xudejing/video-question-answering',
        media='videos/video<n>.mp4', shows='video', metrics=(metrics.TOP1,),
        submission=submissions.answers('id'),
    ),
    _questions(
        'ivqa', 'iVQA', read=questions.ivqa,
        splits=_parts('{}.csv'),
        split='test', origin='github.com/antoyang/just-ask',
        media='clips/<video_id>_<start>_<end>.mp4', shows='video',
        metrics=(metrics.IVQA_ACCURACY,), submission=submissions.answers('id'),
    ),
    _questions(
        'nextqa', 'NextQA', read=questions.nextqa,
        splits=_parts('{}.csv map_vid_vidorID.json') | {'test': (
            'test.csv', 'map_vid_vidorID.json', 'add_reference_answer_test.json'
        )},
        split='test', origin='github.com/doc-doc/NExT-OE',
        media='NExTVideo/<VidOR id>.mp4', shows='video',
        metrics=(metrics.WUPS,), submission=submissions.BY_VIDEO,
    ),
    Benchmark(
        'star', 'STAR', choices.star,
        splits=_parts('STAR_{}.json'),
        split='validation', origin='bobbywu.com/STAR',
        media='clips/<video_id>_<start>_<end>.mp4', shows='video',
        prompt=_QUESTION,
        metrics=(metrics.STAR_ACCURACY, metrics.RANKING_TOP1),
        secret=('test',),
        submission=submissions.CHOICES_BY_TYPE,
    ),
    _captions(
        'vatex', 'VATEX', read=captions.vatex,
        splits={
            'train': ('vatex_training_v1.0.json',),
            'validation': ('vatex_validation_v1.0.json',),
            'test': ('vatex_public_test_english_v1.1.json',),
        },
        split='test', origin='eric-xw.github.io/vatex-website',
        media='videos/<videoID>.mp4', shows='video',
        submission=submissions.captions('id'),
    ),
    _captions(
        'youcook2', 'YouCook2', read=captions.youcook2,
        splits=dict.fromkeys(
            ('train', 'validation'), ('youcookii_annotations_trainval.json',)
        ),
        split='validation', origin='youcook2.eecs.umich.edu/download',
        media='clips/<video>_<segment id>.mp4', shows='video',
        submission=submissions.captions('id'),
    ),
    Benchmark(
        'rareact', 'RareAct', choices.rareact,
        splits={'test': ('rareact.csv',)}, split='test',
        origin='github.com/antoine77340/RareAct',
        media='clips/<video_id>_<start>_<end>.mp4', shows='video',
        prompt='Caption: a person', metrics=(metrics.MWAP,),
        submission=submissions.SCORE_MATRIX, shots=(0,), supports=None,
    ),
    Benchmark(
        'imagenet', 'ImageNet', choices.imagenet,
        splits=_parts(
            'LOC_{}_solution.csv LOC_synset_mapping.txt', train='train',
            validation='val',
        ),
        split='validation',
        origin='kaggle.com/c/imagenet-object-localization-challenge',
        media='ILSVRC/Data/CLS-LOC/train/<synset>/ and val/',
        prompt=_CAPTION, metrics=(metrics.RANKING_TOP1,),
        submission=submissions.BEST_CANDIDATES,
        supports_of_a_class=_SUPPORTS_OF_A_CLASS,
    ),
    Benchmark(
        'kinetics700', 'Kinetics700', choices.kinetics,
        splits=_parts('{}.csv train.csv', train='train', validation='validate'),
        split='validation', origin='github.com/cvdfoundation/kinetics-dataset',
        media='train/ and val/<label>/<youtube_id>_<start>_<end>.mp4',
        shows='video',
        prompt=_CAPTION,
        metrics=(metrics.MEAN_TOP1_TOP5, metrics.RANKING_TOP1),
        submission=submissions.BEST_CANDIDATES,
        supports_of_a_class=_SUPPORTS_OF_A_CLASS,
    ),
)
BENCHMARKS = {row.name: row for row in (*_ROWS, *icl_benchmarks.ROWS)}


# Whose prompts there are: what they change of which rows.
PROMPTS: dict[str, Mapping[str, Mapping[str, Any]]] = {
    PAPER.name: {row.name: {} for row in _ROWS},
    openflamingo_prompts.NAME: openflamingo_prompts.CHANGES,
    **icl_benchmarks.PROMPTS,
}


def find(name: str, prompts: str | None = None) -> Benchmark:
  """The benchmark of this name, asked as these makers ask it.

  Args:
    name: of a row, or 'my.module:ROW', where a row of your own is.
    prompts: whose; None: those of the row, the paper's or its makers'.

  Raises:
    UserError: there is none, and names one like it; there are no such prompts,
      or none for this benchmark.
  """
  if ':' in name:
    return _own(name, prompts)
  if name not in BENCHMARKS:
    close = difflib.get_close_matches(name, BENCHMARKS, n=1, cutoff=0.5)
    hint = f'did you mean {close[0]}?' if close else (
        f'there are {", ".join(BENCHMARKS)}'
    )
    raise UserError(f'no benchmark {name!r}: {hint}')
  if prompts is None:
    return BENCHMARKS[name]
  if prompts not in PROMPTS:
    raise UserError(
        f'prompts is {prompts!r} and must be one of {", ".join(PROMPTS)}'
    )
  if name not in PROMPTS[prompts]:
    raise UserError(
        f'{prompts} has published no prompt for {name}, but for '
        f'{", ".join(PROMPTS[prompts])}: leave --prompts out'
    )
  return dataclasses.replace(BENCHMARKS[name], **PROMPTS[prompts][name])


def _own(name: str, prompts: str | None) -> Benchmark:
  """A row that a module of your own has."""
  module, row = own_objects.named(name, '--benchmark')
  if not isinstance(row, Benchmark):
    raise UserError(f'--benchmark={name} is {shown(row)}, not a Benchmark; see '
                    'docs/add_a_benchmark.md')
  if row.name in BENCHMARKS or not re.fullmatch(r'\w[\w.-]*', row.name):
    raise UserError(
        f'--benchmark={name} has the name {shown(row.name)}, which '
        + ('is one of `flamingo eval --list`' if row.name in BENCHMARKS
           else 'is not the name of a folder')
        + ': name it otherwise'
    )
  for split in filter(None, (row.split, row.supports)):
    row.source('', split)
  if prompts not in (None, PAPER.name, row.style.name):
    raise UserError(f'--benchmark={name} has prompts of its own: leave --prompts '
                    'out')
  return dataclasses.replace(row, code={
      'named': name, 'sources': own_objects.source_hashes(module)
  })
