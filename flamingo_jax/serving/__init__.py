# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""`flamingo serve`: a model behind OpenAI's HTTP interface.

Read engine.py first: the one thread that asks the model. What comes in passes
bodies, contents and limits; what goes out is put together by replies.
"""
