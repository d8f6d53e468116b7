"""Addresses that nothing is sent to unless an administrator names them: this host, its link, metadata services.

A list of what is refused is never whole, so it is only the second wall: the first is that nothing is allowed but what
is named (`allowed`). Forms of IPv6 that carry an address of IPv4 are judged by both.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NEVER: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"),
        *("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),  # metadata of Alibaba, Azure, Oracle
        *("::/128", "::1/128", "fe80::/10", "fec0::/10", "ff00::/8", "64:ff9b:1::/48"),
        *("fd00:ec2::254/128", "fd20:ce::254/128"),  # metadata of AWS, Google
    )
)
_AT_THE_END: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))


def plain(address: Address) -> Address:
    """Return an address of IPv4 that is written as one of IPv6 as what it is."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped if mapped is not None else address


def _forms(address: Address) -> Iterator[Address]:
    yield address
    if isinstance(address, IPv4Address):
        return
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if any(address in network for network in _AT_THE_END):
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def forbidding(address: Address) -> tuple[Network, ...]:
    """Return the networks for whose sake nothing is sent to that address."""
    return tuple(network for network in NEVER if any(form in network for form in _forms(plain(address))))


def is_public(address: Address) -> bool:
    """Say whether it is an address of the whole Internet, in every form of it."""
    return all(form.is_global for form in _forms(plain(address)))
