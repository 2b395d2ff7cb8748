# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What /metrics tells, in Prometheus' text."""

from collections.abc import Callable

import jax
import prometheus_client as prometheus

_COMPILED = '/jax/core/compile/backend_compile_duration'
_SECONDS = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    120.0,
)
_SHARE = 0.1  # of the last request in the mean


class Metrics:
  """Counts what a server does.

  Attributes:
    mean_seconds: that the last answers took.
  """

  def __init__(self):
    """Begins with nothing."""
    self.registry = prometheus.CollectorRegistry()
    prometheus.ProcessCollector(registry=self.registry)
    self.mean_seconds = 1.0
    self._requests = self._make(
        prometheus.Counter, 'requests', 'Requests by what they got',
        ('path', 'status'),
    )
    self._tokens = self._make(
        prometheus.Counter, 'tokens', 'Tokens of prompts, of these what had been '
        'read before, and of answers', ('kind',),
    )
    self._seconds = self._make(
        prometheus.Histogram, 'request_seconds', 'From a request to the end of '
        'its answer', ('path',), buckets=_SECONDS,
    )
    self._first = self._make(
        prometheus.Histogram, 'read_seconds', 'From a request to when its prompt '
        'has been read', buckets=_SECONDS,
    )
    self._lost = self._make(
        prometheus.Counter, 'lost_log_lines', 'Lines of the log that could not '
        'be written',
    )
    programs = self._make(
        prometheus.Counter, 'programs', 'Programs that were compiled, or taken '
        'from the cache of compiled ones',
    )
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, *_, **__: programs.inc() if name == _COMPILED else None
    )

  def text(self) -> bytes:
    """All of it."""
    return prometheus.generate_latest(self.registry)

  def watch(self, name: str, help_text: str, value: Callable[[], float]) -> None:
    """Tells a value as it is when it is asked for."""
    self._make(prometheus.Gauge, name, help_text).set_function(value)

  def note_request(self, path: str, status: int, seconds: float) -> None:
    """A request has got its answer, or a refusal."""
    self._requests.labels(path, str(status)).inc()
    self._seconds.labels(path).observe(seconds)
    if status == 200:
      self.mean_seconds += _SHARE * (seconds - self.mean_seconds)

  def note_read(self, tokens: int, kept: int, seconds: float) -> None:
    """A prompt has been read, so long after it came."""
    self._tokens.labels('prompt').inc(tokens)
    self._tokens.labels('kept').inc(kept)
    self._first.observe(seconds)

  def note_tokens(self, count: int) -> None:
    """Tokens of an answer."""
    self._tokens.labels('answer').inc(count)

  def note_lost_line(self) -> None:
    """A line of the log could not be written."""
    self._lost.inc()

  def _make(self, kind, name, help_text, labels=(), **options):
    return kind(
        f'flamingo_{name}', help_text, labels, registry=self.registry, **options
    )
