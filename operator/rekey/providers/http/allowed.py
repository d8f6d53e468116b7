"""Where a request may go: services of the credential's own namespace, and what an administrator allows.

1. Names are judged as written, addresses as connected to: whoever controls a name does not control where it leads.
2. Plain `http://` needs a service of the cluster (`….svc`), or an entry that begins with `http://`.
3. An endpoint of a provider is named by who declares it, so public addresses need no entry. Others do, and `http://`
   always does: client secrets are sent there.
4. A network allows every name that leads into it. It opens what is never asked otherwise (`addresses`) only if it lies
   within that: `127.0.0.0/8` allows this host, `0.0.0.0/0` does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from rekey.providers.http.addresses import Address, Network, forbidding, is_public, plain

_PLAIN: Final = "http://"
_HOST: Final = re.compile(r"(?P<host>(\*\.)?[a-z0-9_]([-a-z0-9_.]*[a-z0-9])?)(:(?P<port>[1-9][0-9]{0,4}))?")
_OWN_LABELS: Final = 2
_SETTING: Final = "REKEY_PROBE_ALLOWED"


@dataclass(frozen=True, slots=True)
class _Entry:
    plain: bool
    network: Network | None = None
    host: str = ""
    port: int | None = None

    def names(self, host: str, port: int) -> bool:
        """Say whether it names that host and port."""
        if self.network is not None or self.port not in {None, port}:
            return False
        return host.endswith(self.host[1:]) if self.host.startswith("*.") else host == self.host

    def covers(self, address: Address) -> bool:
        """Say whether the address is in its network."""
        return self.network is not None and address in self.network

    def opens(self, never: Network) -> bool:
        """Say whether its network lies within one that is never asked otherwise."""
        if isinstance(self.network, IPv4Network) and isinstance(never, IPv4Network):
            return self.network.subnet_of(never)
        if isinstance(self.network, IPv6Network) and isinstance(never, IPv6Network):
            return self.network.subnet_of(never)
        return False


class Allowed:
    """What may be asked."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        """Read the entries.

        Raises:
            ValueError: one is neither a host, nor a network.
        """
        self._entries = tuple(_entry(text) for text in entries)

    def refusal(
        self, namespace: str, scheme: str, host: str, port: int, addresses: Sequence[Address], *, declared: bool = False
    ) -> str | None:
        """Return why nothing may be sent there for a credential of that namespace; None if it may.

        `declared`: an administrator named the host, as an endpoint of a provider, to which our own secrets are sent.
        """
        name = host.lower()
        service = name.removesuffix(".cluster.local")
        in_cluster = service.endswith(".svc")
        own = in_cluster and service.endswith(f".{namespace}.svc") and service.count(".") == _OWN_LABELS
        named = [entry for entry in self._entries if entry.names(name, port)]
        for address in map(plain, addresses):
            inside = [entry for entry in self._entries if entry.covers(address)]
            shut = forbidding(address)
            if shut and not any(entry.opens(never) for entry in inside for never in shut):
                return f"{name} leads to {address}, which is never asked unless {_SETTING} names a network in {shut[0]}"
            if not (own or named or inside or (declared and is_public(address))):
                return f"{name}:{port} is not allowed: ask an administrator to add it to {_SETTING}"
            meshed = in_cluster and not declared
            if scheme != "https" and not (meshed or any(entry.plain for entry in (*named, *inside))):
                return f"http:// is not allowed for {name}:{port}: use https://, or have http:// in {_SETTING}"
        return None if addresses else f"{name} has no address"


def _entry(text: str) -> _Entry:
    bare = text.removeprefix(_PLAIN)
    is_plain = bare != text
    try:
        return _Entry(is_plain, network=ip_network(bare))
    except ValueError:
        found = _HOST.fullmatch(bare)
    if found is None or "/" in bare:
        raise ValueError(f"{text!r} is neither `host`, `*.domain`, `host:port` nor a network such as `10.0.0.0/8`")
    return _Entry(is_plain, host=found["host"], port=int(found["port"]) if found["port"] else None)
