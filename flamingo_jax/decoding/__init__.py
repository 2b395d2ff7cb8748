# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Greedy, sampled and beam decoding, and scoring of candidates (Flamingo B.1.5).

Arrays in, arrays out, no strings: every function can be jitted whole. A prompt
is read once (`read_prompts`) to the logits of its next token and a cache;
everything else goes on from those two.
"""

from flamingo_jax.decoding.beams import beam_search
from flamingo_jax.decoding.prefill import (
    Answering,
    Decoded,
    Prompts,
    encode_media,
    extend,
    read_on,
    read_prefix,
    read_prompts,
)
from flamingo_jax.decoding.sampling import (
    choose_at_random,
    choose_likeliest,
    greedy,
    sample,
    sample_token,
)
from flamingo_jax.decoding.scoring import Candidates, score
from flamingo_jax.decoding.steps import Answers, Choose, Chosen, advance, begin
