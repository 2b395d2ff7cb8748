# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a config.json need not say of a language model, by its model_type.

Of transformers, which leaves out of what it saves whatever equals these; of
'mosaic_gpt' the remote code's.
"""

from typing import Any

_LLAMA = {
    'vocab_size': 32_000, 'hidden_size': 4096, 'intermediate_size': 11_008,
    'num_hidden_layers': 32, 'num_attention_heads': 32,
    'max_position_embeddings': 2048, 'rms_norm_eps': 1e-6,
}
_OLMO2 = _LLAMA | {'vocab_size': 50_304, 'rms_norm_eps': 1e-5}
_QWEN = _LLAMA | {
    'vocab_size': 151_936, 'intermediate_size': 22_016,
    'num_key_value_heads': 32, 'max_position_embeddings': 32_768,
    'sliding_window': 4096, 'max_window_layers': 28,
}
_MPT = {
    'vocab_size': 50_368, 'd_model': 2048, 'n_heads': 16, 'n_layers': 24,
    'max_seq_len': 2048,
}
_GEMMA2 = _LLAMA | {
    'vocab_size': 256_000, 'hidden_size': 2304, 'intermediate_size': 9216,
    'num_hidden_layers': 26, 'num_attention_heads': 8, 'num_key_value_heads': 4,
    'head_dim': 256, 'max_position_embeddings': 8192,
    'query_pre_attn_scalar': 256, 'sliding_window': 4096,
    'final_logit_softcapping': 30.0, 'attn_logit_softcapping': 50.0,
    'tie_word_embeddings': True,
}
DEFAULTS: dict[str, dict[str, Any]] = {
    'llama': _LLAMA,
    'idefics': _LLAMA,
    'mistral': _LLAMA | {
        'intermediate_size': 14_336, 'num_key_value_heads': 8,
        'max_position_embeddings': 131_072, 'sliding_window': 4096,
    },
    'qwen2': _QWEN,
    'qwen3': _QWEN | {'head_dim': 128},
    'smollm3': _LLAMA | {
        'vocab_size': 128_256, 'hidden_size': 2048, 'num_hidden_layers': 36,
        'num_attention_heads': 16, 'num_key_value_heads': 4,
        'max_position_embeddings': 32_768, 'rope_theta': 2_000_000.0,
        'tie_word_embeddings': True,
    },
    'olmo2': _OLMO2,
    'olmo3': _OLMO2 | {'sliding_window': 4096, 'rope_theta': 500_000.0},
    'phi3': _LLAMA | {
        'vocab_size': 32_064, 'hidden_size': 3072, 'intermediate_size': 8192,
        'max_position_embeddings': 4096, 'rms_norm_eps': 1e-5,
    },
    'gemma2': _GEMMA2,
    'gemma3_text': _GEMMA2 | {
        'vocab_size': 262_208, 'max_position_embeddings': 131_072,
        'rope_theta': 1_000_000.0, 'final_logit_softcapping': None,
        'attn_logit_softcapping': None,
    },
    'gpt_neox': {
        'vocab_size': 50_432, 'hidden_size': 6144, 'num_hidden_layers': 44,
        'num_attention_heads': 64, 'intermediate_size': 24_576,
        'max_position_embeddings': 2048,
    },
    'mpt': _MPT,
    'mosaic_gpt': _MPT | {'alibi': False, 'no_bias': False},
    'opt': {
        'vocab_size': 50_272, 'hidden_size': 768, 'num_hidden_layers': 12,
        'ffn_dim': 3072, 'max_position_embeddings': 2048,
        'num_attention_heads': 12, 'word_embed_proj_dim': 768,
    },
}
