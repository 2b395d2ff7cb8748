# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How flamingo_jax is installed; constraints.txt holds the tested versions."""

import pathlib
import re

import setuptools

ROOT = pathlib.Path(__file__).resolve().parent
# Read, not imported: jax is not there yet.
VERSION = re.search(
    r"__version__ = '(.+)'",
    (ROOT / 'flamingo_jax' / '__init__.py').read_text(encoding='utf-8'),
)[1]

# The model, its decoding and its programs: no TensorFlow, no seqio.
CORE = [
    'absl-py',
    'av>=18.1',  # videos, and scaling of pictures
    'etils[epath]',  # also a dependency of Orbax
    'flax>=0.12.8',
    'gin-config',
    'jax>=0.10.2',
    'jaxtyping',
    'jinja2',  # pages of pictures and texts
    'ml_collections',
    'numpy>=2.0',
    'optax>=0.2.8',
    'orbax-checkpoint>=0.12.8',
    'packaging',  # versions, for `flamingo doctor`
    'pillow',
    'protobuf',  # the format of SentencePiece models
    'sentencepiece>=0.2.1',
    'shtab',  # completion in shells
    'tqdm',
]

# Never `t5` or t5x's own setup.py: both ask for nightly builds that install
# into the folders of the seqio and tensorflow-datasets releases.
TRAIN = [
    'clu',
    'importlib_resources',  # tensorflow-datasets imports but does not declare it
    'matplotlib',  # the plots of a run
    'opencv-python-headless',  # the colours of training pictures
    'scikit-learn',  # handwritten digits
    'seqio>=0.0.20',
    'tensorboard',
    'tensorflow>=2.21',
    'tensorflow-datasets>=4.9.10',
    'tensorstore',  # shards in buckets; also a dependency of Orbax
]

# What `flamingo prepare` reads public formats with.
PREPARE = TRAIN + [
    'ada-url',  # URLs as browsers read them
    'chardetng-py',  # the charset of pages that tell none
    'fastwarc',
    'pyarrow',
    'scipy',
    'selectolax>=1.0.2',
    'webencodings>=0.6',  # names of charsets
]

# `flamingo prepare --engine=beam`. Apache Beam holds protobuf at a version that
# newer sentencepiece and constraints.txt do not accept: an environment of its
# own, without `-c constraints.txt`.
BEAM = PREPARE + ['apache-beam>=2.77', 'sentencepiece==0.2.1']

# What t5x imports beside the above. t5x, airio and jestimator themselves are on
# GitHub only; without them the tests in tests/t5x are skipped.
T5X = ['cached_property', 'fiddle', 'grain']

# `flamingo eval --benchmark`: its metrics and plots.
EVAL = [
    'inflection',  # OK-VQA's stems
    'matplotlib',
    'nltk',  # words of captions, OK-VQA's stems, WUPS
    'pyarrow',  # SMMILE's files
    'pycocoevalcap',  # CIDEr; 100 MB, of which Java programs are most
    'scikit-learn',  # ROC AUC, average precision
    'scipy',  # Student's t
]

# `flamingo serve`: a model behind OpenAI's HTTP interface.
SERVE = ['prometheus_client', 'starlette', 'uvicorn']

# Vocabularies that are a tokenizer.json.
TOKENIZERS = ['tokenizers']

# `flamingo convert`: public weights.
CONVERT = TOKENIZERS + ['huggingface_hub>=1.0', 'safetensors']

# launch/real_language.sh: a model of llama.cpp, too.
REAL_LANGUAGE = TRAIN + CONVERT + ['gguf']

# launch/docs.sh: the documentation as a site.
DOCS = TRAIN + ['mkdocs-material>=9.8', 'mkdocstrings[python]>=1.0']

TEST = PREPARE + T5X + EVAL + SERVE + CONVERT + DOCS + [
    'beartype',
    'build',
    'chex',
    'ipykernel',  # docs/tutorial.ipynb
    'nbclient',
    'openai',  # the client of what `flamingo serve` answers
    'playwright',  # drives a browser: the page of `flamingo serve`
    'pytest',
    'pytest-xdist',
    'scikit-image',  # photographs
    'setuptools>=77',  # builds without an environment of its own
    'twine',  # whether an index would take the metadata
]

# Installed in the package. There they are links, for who runs the source as it
# lies; where a checkout has no links, an installation needs none.
BESIDE = ('ablations', 'configs', 'tasks')
PACKAGES = setuptools.find_packages(include=['flamingo_jax', 'flamingo_jax.*'])
PACKAGES += [
    f'flamingo_jax.{name}' for name in setuptools.find_packages(
        include=[pattern for name in BESIDE for pattern in (name, f'{name}.*')]
    )
]

setuptools.setup(
    name='flamingo_jax',
    version=VERSION,
    description='Flamingo, a visual language model for few-shot learning, in '
    'JAX and Flax',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    license_files=['LICENSE'],
    packages=sorted(set(PACKAGES)),
    package_dir={f'flamingo_jax.{name}': name for name in BESIDE},
    package_data={
        'flamingo_jax': ['assets/**/*', 'serving/page/*', 'weights/**/*'],
        '': ['*.gin'],
    },
    python_requires='>=3.11',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Operating System :: MacOS',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    keywords='flamingo vision-language few-shot in-context jax flax',
    install_requires=CORE,
    extras_require={
        'train': TRAIN, 'prepare': PREPARE, 'beam': BEAM, 'eval': EVAL,
        'serve': SERVE,
        't5x': TRAIN + T5X, 'test': TEST, 'tokenizers': TOKENIZERS,
        'convert': CONVERT, 'real-language': REAL_LANGUAGE, 'docs': DOCS,
        'tpu': ['jax[tpu]>=0.10.2'],
        'cuda': ['jax[cuda13]>=0.10.2'],  # NVIDIA's drivers from 580 on
    },
    entry_points={
        'console_scripts': ['flamingo = flamingo_jax.cli:main'],
        'lmms_eval.models': [
            'flamingo_jax = flamingo_jax.evaluation.lmms_eval_model:manifest',
        ],
    },
)
