# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of the web, from the hosts that whoever runs the server has named."""

from collections.abc import Collection
import http.client
import urllib.error
import urllib.parse
import urllib.request

from flamingo_jax.errors import UserError, shown

_SECONDS = 10.0  # without a byte


class _NamedHosts(urllib.request.HTTPRedirectHandler):
  """Follows redirects to hosts that are named, and to no other."""

  def __init__(self, hosts: Collection[str]):
    self._hosts = hosts

  def redirect_request(self, req, fp, code, msg, headers, newurl):
    check_address(newurl, self._hosts)
    return super().redirect_request(req, fp, code, msg, headers, newurl)


def check_address(address: str, hosts: Collection[str]) -> None:
  """UserError for an address of another host than those that are named."""
  try:
    parts = urllib.parse.urlsplit(address)
    host, scheme = parts.hostname, parts.scheme
  except ValueError:
    host = scheme = None
  if scheme not in ('http', 'https') or not host:
    raise UserError(
        f'{shown(address)} is not a picture that can be read from here: send '
        'it as a data: URI, such as data:image/png;base64,...'
    )
  if host not in hosts:
    raise UserError(
        f'nothing is fetched from {shown(host)}: send the picture as a '
        'data: URI, or have the server started with --fetch=HOST'
    )


def fetch(address: str, hosts: Collection[str], most: int) -> bytes:
  """What is at an address, at most so many bytes.

  Raises:
    UserError: the host is none of those named, or does not give it.
  """
  check_address(address, hosts)
  # Neither files nor proxies: only what is named above.
  opener = urllib.request.OpenerDirector()
  for handler in (
      urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(),
      urllib.request.HTTPErrorProcessor(), _NamedHosts(hosts),
      urllib.request.HTTPDefaultErrorHandler(),
  ):
    opener.add_handler(handler)
  try:
    with opener.open(address, timeout=_SECONDS) as reply:
      data = reply.read(most + 1)
  except UserError:
    raise
  except (OSError, ValueError, http.client.HTTPException) as error:
    raise UserError(
        f'{shown(address)} cannot be fetched ({error}); send the picture '
        'as a data: URI'
    ) from None
  if len(data) > most:
    raise UserError(
        f'{shown(address)} has more than {most:,} bytes; make it smaller'
    )
  return data
