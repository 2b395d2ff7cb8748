# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How long chips talk: groups of partitions to axes, links and networks."""

from collections.abc import Mapping, Sequence
import dataclasses
import math

from jax.sharding import Mesh
import numpy as np

from flamingo_jax.planning.topologies import Topology
from flamingo_jax.sharding import slice_count

# Of a message, per chip that it passes (scaling-book, 'TPU networking').
HOP_SECONDS = 1e-6

# Bytes that leave each chip of a group of g, per byte of its operand, when
# data goes around a ring (a ring per torus dimension, alike in every way).
_WIRE = {
    'all-gather': lambda g: g - 1,
    'reduce-scatter': lambda g: (g - 1) / g,
    'all-reduce': lambda g: 2 * (g - 1) / g,
    'all-to-all': lambda g: (g - 1) / g,
    'ragged-all-to-all': lambda g: (g - 1) / g,
    'collective-permute': lambda g: 1.0,
    'collective-broadcast': lambda g: 1.0,
}
KINDS = tuple(_WIRE)


def wire_bytes(kind: str, operand_bytes: float, group: int) -> float:
  """Bytes that each chip sends in a collective of `group` chips."""
  return float(operand_bytes * _WIRE[kind](group)) if group > 1 else 0.0


@dataclasses.dataclass(frozen=True)
class Interconnect:
  """The tori under a mesh; partition i is the i-th device of the mesh."""

  mesh_axes: Mapping[str, int]  # name to size, in the order of the mesh
  coordinates: np.ndarray  # [partitions, dimensions of the torus]
  shape: tuple[int, ...]  # of the torus
  link_bandwidth: float  # bytes per second, one link, one direction
  ring_from: int
  slices: int = 1  # tori alike, joined by the data-centre network
  dcn_bandwidth: float = math.inf  # bytes per second of a chip, to other tori

  def axes(self, group: Sequence[int]) -> str:
    """The mesh axes along which the members of a group differ: 'fsdp+model'."""
    sizes = tuple(self.mesh_axes.values())
    places = np.stack(np.unravel_index(np.asarray(group), sizes), axis=-1)
    differ = (places != places[:1]).any(axis=0)
    return '+'.join(n for n, d in zip(self.mesh_axes, differ) if d) or 'none'

  def seconds(self, group: Sequence[int], sent: float) -> float:
    """Time in which each chip of a group sends `sent` bytes, at the least.

    A group that fills a dimension of the torus goes around it both ways; one
    that fills a part of it is a line, whose ends have one link. Members that
    are n apart share their links with the n - 1 groups between them.
    """
    places = self.coordinates[np.asarray(group)]
    bandwidth, hops = 0.0, 0.0
    for dimension, size in enumerate(self.shape):
      used = np.unique(places[:, dimension])
      if len(used) < 2:
        continue
      apart = int(np.diff(used).min())
      is_ring = apart * len(used) == size and size >= self.ring_from
      bandwidth += self.link_bandwidth * (2 if is_ring else 1) / apart
      hops += apart * len(used) / (2 if is_ring else 1)
    if not bandwidth:
      return 0.0
    return float(max(sent / bandwidth, hops * HOP_SECONDS))

  def permute_seconds(
      self, pairs: Sequence[Sequence[int]], sent: float
  ) -> float:
    """Time in which each pair's first chip sends `sent` bytes to its second.

    Messages go one dimension after the other, the shorter way around a ring;
    the link and direction that most of them share decides.
    """
    load: dict[tuple[int, ...], int] = {}
    longest = 0
    for source, target in pairs:
      place = self.coordinates[source].copy()
      hops = 0
      for dimension, size in enumerate(self.shape):
        away = int(self.coordinates[target][dimension] - place[dimension])
        if size >= self.ring_from and abs(away) > size // 2:
          away -= size if away > 0 else -size
        step = 1 if away > 0 else -1
        for _ in range(abs(away)):
          link = (*place.tolist(), dimension, step)
          load[link] = load.get(link, 0) + 1
          place[dimension] = (place[dimension] + step) % size
          hops += 1
      longest = max(longest, hops)
    if not load:
      return 0.0
    most = max(load.values())
    return float(
        max(most * sent / self.link_bandwidth, longest * HOP_SECONDS)
    )


def make(topology: Topology, mesh: Mesh) -> Interconnect:
  """The tori of one or more slices under a mesh of their devices."""
  devices = mesh.devices.flatten()
  dimensions = len(topology.shape)
  return Interconnect(
      mesh_axes=dict(mesh.shape),
      coordinates=np.array([d.coords[:dimensions] for d in devices]),
      shape=topology.shape,
      link_bandwidth=topology.chip.link_bandwidth,
      ring_from=topology.chip.ring_from,
      slices=slice_count(topology.devices),
      dcn_bandwidth=topology.chip.dcn_bandwidth,
  )


def members(
    groups: np.ndarray | None, mesh_axes: Mapping[str, int]
) -> list[int]:
  """The first group of more than itself; those of one collective are alike.

  None is the group of everybody, which XLA leaves out.
  """
  if groups is None:
    return list(range(math.prod(mesh_axes.values())))
  for group in groups.tolist():
    if len(set(group)) > 1:
      return group
  return groups[0].tolist()
