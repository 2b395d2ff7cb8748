# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Every benchmark in its official files: a few dozen rows, real pictures.

They are as irregular as the official ones: ids leave gaps and are not sorted,
some pictures are asked about more than once and others not at all, annotators
disagree, and lists have videos and classes that no row is of.
"""

from tests.evaluation.miniature import (
    captions, choices, questions, smmile, vl_icl,
)

WRITERS = {
    'coco': captions.coco,
    'flickr30k': captions.flickr30k,
    'vqav2': questions.vqav2,
    'okvqa': questions.okvqa,
    'textvqa': questions.textvqa,
    'vizwiz': questions.vizwiz,
    'visdial': choices.visdial,
    'hateful_memes': choices.hateful_memes,
    'msvdqa': questions.msvdqa,
    'msrvttqa': questions.msrvttqa,
    'ivqa': questions.ivqa,
    'nextqa': questions.nextqa,
    'star': choices.star,
    'vatex': captions.vatex,
    'youcook2': captions.youcook2,
    'rareact': choices.rareact,
    'imagenet': choices.imagenet,
    'kinetics700': choices.kinetics,
    'open_mi': vl_icl.open_mi,
    'operator_induction': vl_icl.operator_induction,
    'operator_induction_interleaved': vl_icl.operator_induction_interleaved,
    'textocr': vl_icl.textocr,
    'clevr': vl_icl.clevr,
    'matching_mi': vl_icl.matching_mi,
    'smmile': smmile.smmile,
    'smmile_plusplus': smmile.smmile_plusplus,
}
