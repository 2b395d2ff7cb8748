# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Plans as text for people and as JSON for programs."""

from collections.abc import Sequence
import dataclasses
import json
from typing import Any

from flamingo_jax.planning.plan import HEADROOM, Plan

_CAVEAT = 'predicted, not measured: compiled for the slice, never run on it'


def as_json(plan: Plan) -> str:
  """All numbers of a plan; FLOPs, bytes and seconds are of one chip's step."""
  values: dict[str, Any] = {'caveat': _CAVEAT, 'fits': plan.fits} | {
      field.name: getattr(plan, field.name)
      for field in dataclasses.fields(plan) if field.name not in ('cost',)
  }
  values['memory'] = dataclasses.asdict(plan.memory) | {
      'total': plan.memory.total, 'spare': plan.memory.spare
  }
  if plan.cost:
    values |= {
        'executed_flops': plan.cost.flops,
        'hbm_bytes': plan.cost.bytes,
        'matmul_seconds': plan.cost.matmul_seconds,
        'other_seconds': plan.cost.other_seconds,
        'communication_seconds': plan.cost.communication_seconds,
        'sent_bytes': plan.cost.sent(),
        'step_seconds': plan.seconds,
        'mfu': plan.mfu,
        'largest_collectives': [
            dataclasses.asdict(c)
            for c in sorted(plan.cost.collectives, key=lambda c: -c.seconds)[:10]
        ],
    }
  return json.dumps(values, indent=2)


def as_text(plan: Plan) -> str:
  """The report of one plan."""
  mesh = ', '.join(f'{axis} {size}' for axis, size in plan.mesh.items())
  lines = [
      f'{plan.topology}: {plan.chips} chips ({_CAVEAT})',
      f'mesh {mesh}; rules {plan.rules}; remat {plan.remat}; '
      f'{plan.num_microbatches} microbatches',
      f'{plan.program}: {plan.tokens:,} tokens, {plan.pictures:,} pictures',
      '',
      *_memory_lines(plan),
  ]
  if plan.cost:
    lines += ['', *_time_lines(plan), '', *_communication_lines(plan)]
  lines += ['', f'compiled in {plan.compile_seconds:.0f} s']
  return '\n'.join(lines)


def _memory_lines(plan: Plan) -> list[str]:
  memory = plan.memory
  if plan.fits:
    verdict = 'fits'
  elif plan.accepted:
    verdict = 'DOES NOT FIT by the safe count, though the compiler accepts it'
  else:
    verdict = 'DOES NOT FIT, the compiler refuses it'
  lines = [
      f'memory: {verdict}; {memory.total:.2f} of {memory.limit:.2f} GiB per '
      f'chip, {memory.spare:.0%} to spare'
  ]
  sizes = {
      kind: getattr(memory, kind)
      for kind in ('frozen', 'trainable', 'optimizer', 'batch', 'temporaries')
  }
  lines += [
      f'  {kind:<12}{size:8.2f} GiB'
      for kind, size in sorted(sizes.items(), key=lambda item: -item[1])
  ]
  if plan.refusal:
    lines.append('largest, as the compiler says:')
    lines += [f'  {line}' for line in plan.refusal]
  if not plan.fits or memory.spare < HEADROOM:
    lines += [f'change: {line}' for line in remedies(plan)]
  return lines


def remedies(plan: Plan) -> list[str]:
  """What to change so that less memory is needed, the likeliest first."""
  memory = plan.memory
  state = memory.frozen + memory.trainable + memory.optimizer
  found = []
  if state > 0.6 * memory.limit:
    if plan.rules != 'fsdp_sequence_parallel':
      found.append(
          "split the weights further: LOGICAL_AXIS_RULES = 'fsdp' or "
          "'fsdp_sequence_parallel'"
      )
    else:
      found.append('weights and optimizer alone need a larger slice')
  if plan.program != 'step':  # of answers, which nothing is kept for
    found.append(
        'split heads, and what is seen by them, further: more of the mesh for '
        "'model', and rules that use it, such as 'tensor_parallel'"
    )
    return found
  if memory.temporaries > 0.2 * memory.limit:
    if plan.remat != 'full':
      found.append(
          "keep fewer activations: runtime.variant.overrides = "
          "{'decoder.remat': 'full'}"
      )
    found.append(
        'cut the batch in parts: runtime.Trainer.num_microbatches = '
        f'{2 * plan.num_microbatches}'
    )
  found.append('let --search look for a mesh and remat policy that fit')
  return found


def _time_lines(plan: Plan) -> list[str]:
  cost, (best, worst), (low, high) = plan.cost, plan.seconds, plan.mfu
  count, unit = plan.tokens, 'tokens'
  if not count:
    count, unit = plan.pictures, 'pictures'
  lines = [
      f'{plan.program}: {best:.4f} s (all communication overlapped) to '
      f'{worst:.4f} s (none)',
      f'  matrix products {cost.matmul_seconds:.3f} s, other work '
      f'{cost.other_seconds:.3f} s, communication '
      f'{cost.communication_seconds:.3f} s',
      f'  FLOPs per chip: {cost.flops / 1e12:.1f} T executed, '
      f'{plan.model_flops / plan.chips / 1e12:.1f} T of the model; '
      f'{cost.bytes / 1e9:.0f} GB to and from HBM',
      f'MFU: {low:.1%} to {high:.1%}',
      f'speed: {count / worst:,.0f} to {count / best:,.0f} {unit}/s',
  ]
  if plan.total_steps:
    days = [plan.total_steps * seconds / 86400 for seconds in (best, worst)]
    lines.append(
        f'{plan.total_steps:,} steps: {days[0]:.1f} to {days[1]:.1f} days'
    )
  return lines


def _communication_lines(plan: Plan) -> list[str]:
  total: dict[str, list[float]] = {}
  for c in plan.cost.collectives:
    row = total.setdefault(f'{c.kind} over {c.axes}', [0.0, 0.0, 0])
    row[0] += c.sent / 1e9
    row[1] += c.seconds
    row[2] += c.times
  lines = [f'sent by each chip in a {plan.program}:']
  for name, (sent, seconds, times) in sorted(
      total.items(), key=lambda item: -item[1][1]
  )[:10]:
    lines.append(
        f'  {name:<34}{sent:9.2f} GB {seconds:8.3f} s {times:7d} times'
    )
  return lines if total else ['no communication']


def as_table(plans: Sequence[Plan]) -> str:
  """A row per plan, the fastest that fits first; parts: microbatches."""
  head = ('mesh', 'rules', 'remat', 'parts', 'GiB', 'spare', 'step s', 'MFU')
  rows = []
  for plan in sorted(plans, key=_speed):
    mesh = ','.join(f'{k}:{n}' for k, n in plan.mesh.items() if n > 1)
    step = mfu = '-'
    if plan.cost:
      step = '{:.3f}-{:.3f}'.format(*plan.seconds)
      mfu = '{:.0%}-{:.0%}'.format(*plan.mfu)
    spare = f'{plan.memory.spare:.0%}' if plan.fits else 'no fit'
    rows.append((
        mesh, plan.rules, plan.remat, str(plan.num_microbatches),
        f'{plan.memory.total:.1f}', spare, step, mfu,
    ))
  widths = [max(map(len, column)) for column in zip(head, *rows)]
  return '\n'.join(
      '  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
      for row in (head, *rows)
  )


def _speed(plan: Plan) -> float:
  """What plans are ranked by: the time of a step at worst."""
  return plan.seconds[1] if plan.fits else float('inf')


def advice(plans: Sequence[Plan]) -> str:
  """How to ask for the best of some plans, or what to do where none fits."""
  enough = [p for p in plans if p.fits and p.memory.spare >= HEADROOM]
  if not enough:
    return (
        f'none of these leaves {HEADROOM:.0%} of the memory free: take a larger '
        'slice or smaller batches'
    )
  best = min(enough, key=_speed)
  mesh = ','.join(f'{axis}:{n}' for axis, n in best.mesh.items() if n > 1)
  return (
      f"fits: --mesh={mesh} --gin.LOGICAL_AXIS_RULES=\"'{best.rules}'\" "
      f"--gin.REMAT=\"'{best.remat}'\" "
      f'--gin.runtime.Trainer.num_microbatches={best.num_microbatches}'
  )
