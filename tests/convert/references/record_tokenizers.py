# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Records the ids that reference tokenizers give 2,000 lines of many scripts.

As record.py, into tokenizers.json: small tokenizers of all kinds that the families
have, trained here, and for each line two bytes of a checksum of its ids. Last run
with transformers 5.23.0 and tokenizers 0.23.3.
"""

import json
import pathlib
import sys
import tempfile

import tokenizers
from tokenizers import (
    Regex,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
import transformers

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from texts import checksums, corpus, lines  # noqa: E402

END, BEGIN, SPACE = '<|endoftext|>', '<|begin_of_text|>', '▁'
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r' ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+'
)
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
FAST = {'tokenizer_class': 'PreTrainedTokenizerFast'}
LLAMA = FAST | {'bos_token': '<s>', 'eos_token': '</s>', 'unk_token': '<unk>'}
LATER = '<|later|>'  # which tokenizer_config.json has and tokenizer.json has not
ADDED = {'content': LATER, 'lstrip': False, 'normalized': False,
         'rstrip': False, 'single_word': False, 'special': True}


def byte_level(*names):
  """GPT-2's kind, with entries of these names."""
  tokenizer = tokenizers.Tokenizer(models.BPE())
  tokenizer.pre_tokenizer, tokenizer.decoder = GPT2, decoders.ByteLevel()
  tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(
      vocab_size=400, special_tokens=list(names), show_progress=False,
      initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
  ))
  return tokenizer


def split(*first):
  """Cuts of a regular expression or of digits before bytes are looked at."""
  return pre_tokenizers.Sequence([*first, BYTES])


def with_bytes(*names):
  """SentencePiece's kind, whose unknown characters are bytes."""
  tokenizer = tokenizers.Tokenizer(models.BPE(
      byte_fallback=True, unk_token='<unk>', fuse_unk=True
  ))
  tokenizer.normalizer = normalizers.Replace(' ', SPACE)
  tokenizer.pre_tokenizer = pre_tokenizers.Split(SPACE, 'merged_with_next')
  tokenizer.train_from_iterator(corpus()[:40], trainers.BpeTrainer(
      vocab_size=600, limit_alphabet=100, show_progress=False,
      special_tokens=[*names, *(f'<0x{i:02X}>' for i in range(256))],
  ))
  spec = json.loads(tokenizer.to_str())
  spec['added_tokens'] = spec['added_tokens'][: len(names)]
  tokenizer = tokenizers.Tokenizer.from_str(json.dumps(spec))
  tokenizer.pre_tokenizer = None
  tokenizer.decoder = decoders.Sequence([
      decoders.Replace(SPACE, ' '), decoders.ByteFallback(), decoders.Fuse(),
      *[decoders.Strip(' ', 1, 0)] * ('<s>' in names),
  ])
  return tokenizer


def begins(tokenizer, name):
  """With this entry in front of each text."""
  number = tokenizer.token_to_id(name)
  tokenizer.post_processor = processors.TemplateProcessing(
      single=f'{name} $A', pair=f'{name} $A {name} $B',
      special_tokens=[(name, number)],
  )


def cases():
  """Of each: name, tokenizer, tokenizer_config.json and special texts."""
  smollm = byte_level(END, '<|im_start|>', '<|im_end|>')
  smollm.pre_tokenizer = pre_tokenizers.Sequence(
      [pre_tokenizers.Digits(individual_digits=True), GPT2]
  )
  yield 'smollm2', smollm, FAST | {
      'bos_token': END, 'eos_token': '<|im_end|>', 'pad_token': END,
  }, (END, '<|im_start|>')
  neox = byte_level(END, '<|padding|>')
  neox.normalizer = normalizers.NFC()
  yield 'gpt_neox', neox, {
      'tokenizer_class': 'GPTNeoXTokenizer', 'bos_token': END,
      'eos_token': END, 'unk_token': END, 'add_prefix_space': False,
  }, (END,)
  llama3 = byte_level(BEGIN, '<|end_of_text|>')
  llama3.pre_tokenizer = split(
      pre_tokenizers.Split(Regex(LLAMA3), 'isolated')
  )
  begins(llama3, BEGIN)
  yield 'llama3', llama3, FAST | {
      'bos_token': BEGIN, 'eos_token': '<|end_of_text|>',
      'clean_up_tokenization_spaces': True, 'added_tokens_decoder': {
          str(llama3.get_vocab_size()): ADDED,
      },
  }, (BEGIN, LATER)
  qwen = byte_level(END, '<|im_end|>')
  qwen.normalizer = normalizers.NFC()
  qwen.pre_tokenizer = split(pre_tokenizers.Split(
      Regex(LLAMA3.replace('{1,3}', '')), 'isolated'
  ))
  yield 'qwen2', qwen, {
      'tokenizer_class': 'Qwen2Tokenizer', 'bos_token': None,
      'eos_token': '<|im_end|>', 'pad_token': END, 'add_prefix_space': False,
  }, (END, '<|im_end|>')
  opt = byte_level('<s>', '<pad>', '</s>', '<unk>')
  begins(opt, '</s>')
  yield 'opt', opt, {
      'tokenizer_class': 'GPT2Tokenizer', 'bos_token': '</s>',
      'eos_token': '</s>', 'pad_token': '<pad>', 'unk_token': '</s>',
      'add_bos_token': True,
  }, ('</s>',)
  names = '<unk>', '<s>', '</s>'
  llama = with_bytes(*names)
  llama.normalizer = normalizers.Sequence(
      [normalizers.Prepend(SPACE), normalizers.Replace(' ', SPACE)]
  )
  begins(llama, '<s>')
  yield 'llama2', llama, LLAMA, names[1:]
  mistral = with_bytes(*names)
  mistral.normalizer = None
  mistral.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, 'first', False)
  begins(mistral, '<s>')
  yield 'mistral', mistral, LLAMA, names[1:]
  gemma = with_bytes('<pad>', '<eos>', '<bos>', '<unk>')
  gemma.pre_tokenizer = pre_tokenizers.Split(' ', 'merged_with_previous')
  begins(gemma, '<bos>')
  yield 'gemma3', gemma, {
      'tokenizer_class': 'GemmaTokenizer', 'bos_token': '<bos>',
      'eos_token': '<eos>', 'pad_token': '<pad>', 'unk_token': '<unk>',
  }, ('<bos>', '<eos>')


def record(tokenizer, settings, specials):
  """Checksums of ids as AutoTokenizer gives them, and the ids of the ends."""
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder)
    tokenizer.save(str(path / 'tokenizer.json'))
    (path / 'tokenizer_config.json').write_text(json.dumps(settings))
    (path / 'config.json').write_text('{}')
    reference = transformers.AutoTokenizer.from_pretrained(folder)
  ids = [reference(text)['input_ids'] for text in lines(2000, specials)]
  ends = {name: getattr(reference, f'{name}_token_id')
          for name in ('bos', 'eos', 'pad')}
  return checksums(ids), ends


def main():
  """Writes the file."""
  told = {}
  for name, tokenizer, settings, specials in cases():
    found, ends = record(tokenizer, settings, specials)
    told[name] = {
        'tokenizer': json.loads(tokenizer.to_str()), 'settings': settings,
        'specials': specials, 'ends': ends, 'checksums': found,
    }
    print(name, ends, found[:16])
  file = HERE / 'tokenizers.json'
  file.write_text(json.dumps(told, ensure_ascii=False) + '\n')


if __name__ == '__main__':
  main()
