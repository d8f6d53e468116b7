"""Where a probe may go: every name and every form of an address that must not be asked, and how it is allowed."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from rekey.providers.http.allowed import Allowed

SERVICE = "10.96.0.10"
OWN = ("https", "till.orders.svc", 443, SERVICE)
NEVER = {
    "this host": "127.0.0.1",
    "all of this host": "127.9.9.9",
    "no address": "0.0.0.0",  # noqa: S104  it is refused
    "this network": "0.1.2.3",
    "the metadata of most clouds": "169.254.169.254",
    "any link-local address": "169.254.0.1",
    "metadata of Azure": "168.63.129.16",
    "metadata of Alibaba": "100.100.100.200",
    "metadata of Oracle": "192.0.0.192",
    "a group": "224.0.0.1",
    "everybody": "255.255.255.255",
    "what is reserved": "240.0.0.1",
    "this host by IPv6": "::1",
    "no address of IPv6": "::",
    "this host, mapped": "::ffff:127.0.0.1",
    "metadata, mapped": "::ffff:169.254.169.254",
    "metadata, compatible": "::169.254.169.254",
    "metadata by NAT64": "64:ff9b::a9fe:a9fe",
    "anything by a NAT64 of one's own": "64:ff9b:1::a9fe:a9fe",
    "this host by 6to4": "2002:7f00:1::",
    "metadata by 6to4": "2002:a9fe:a9fe::1",
    "this host by Teredo": "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "link-local by IPv6": "fe80::1",
    "link-local with its link": "fe80::1%eth0",
    "site-local": "fec0::1",
    "a group of IPv6": "ff02::1",
    "metadata of AWS by IPv6": "fd00:ec2::254",
    "metadata of Google by IPv6": "fd20:ce::254",
}


def refusal(allowed: list[str], scheme: str, host: str, port: int, *addresses: str) -> str | None:
    """Return why a credential of the namespace `orders` may not ask there."""
    return Allowed(allowed).refusal("orders", scheme, host, port, [ip_address(one) for one in addresses])


@pytest.mark.parametrize("case", NEVER)
def test_never(case: str) -> None:
    """Neither under the name of a service of ours, nor if the name or the whole world is allowed."""
    address = NEVER[case]
    assert "never asked" in str(refusal([], *OWN[:3], address))
    everything = ["idp.example.com", "0.0.0.0/0", "::/0"]
    assert "never asked" in str(refusal(everything, "https", "idp.example.com", 443, address))
    assert "never asked" in str(refusal([], *OWN[:3], SERVICE, address))


OPENED = {
    "127.0.0.1": "127.0.0.0/8",
    "::ffff:127.0.0.1": "127.0.0.1/32",
    "169.254.169.254": "169.254.169.254/32",
    "::1": "::1/128",
    "fe80::1": "fe80::/10",
}


@pytest.mark.parametrize("address", OPENED)
def test_never_but_for_a_network_that_names_it(address: str) -> None:
    """A network within what is never asked is meant."""
    assert refusal([OPENED[address]], "https", "x.example.com", 443, address) is None


ALLOWED: dict[str, tuple[list[str], str, str, int, str]] = {
    "a service of ours": ([], *OWN),
    "by its whole name": ([], "https", "till.orders.svc.cluster.local", 8443, SERVICE),
    "in capitals": ([], "https", "Till.Orders.SVC", 443, SERVICE),
    "without TLS": ([], "http", "till.orders.svc", 80, SERVICE),
    "a host": (["idp.example.com"], "https", "idp.example.com", 443, "203.0.113.7"),
    "a host with its port": (["idp.example.com:8443"], "https", "idp.example.com", 8443, "203.0.113.7"),
    "any service": (["*.svc"], "https", "a.other.svc", 443, SERVICE),
    "any service without TLS": (["*.svc"], "http", "a.other.svc", 80, SERVICE),
    "any host of a domain": (["*.example.com"], "https", "a.b.example.com", 443, "203.0.113.7"),
    "a network": (["10.0.0.0/8"], "https", "db.internal", 443, SERVICE),
    "a network, mapped": (["10.0.0.0/8"], "https", "db.internal", 443, "::ffff:10.0.0.1"),
    "an address": (["203.0.113.7"], "https", "203.0.113.7", 443, "203.0.113.7"),
    "a host without TLS": (["http://old.example.com"], "http", "old.example.com", 80, "203.0.113.7"),
    "and with it": (["http://old.example.com"], "https", "old.example.com", 443, "203.0.113.7"),
    "a network without TLS": (["http://10.0.0.0/8"], "http", "db.internal", 80, SERVICE),
    "a host by NAT64": (["idp.example.com"], "https", "idp.example.com", 443, "64:ff9b::cb00:7107"),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_allowed(case: str) -> None:
    """What is named may be asked."""
    assert refusal(*ALLOWED[case]) is None


REFUSED: dict[str, tuple[list[str], str, str, int, str]] = {
    "another namespace": ([], "https", "till.other.svc", 443, SERVICE),
    "a namespace that ends like ours": ([], "https", "till.my-orders.svc", 443, SERVICE),
    "a pod by the name of a service": ([], "https", "pod.till.orders.svc", 443, SERVICE),
    "our namespace elsewhere": ([], "https", "till.orders.svc.example.com", 443, SERVICE),
    "the namespace alone": ([], "https", "orders.svc", 443, SERVICE),
    "another port": (["idp.example.com:8443"], "https", "idp.example.com", 443, "203.0.113.7"),
    "the domain itself": (["*.example.com"], "https", "example.com", 443, "203.0.113.7"),
    "a domain that ends like it": (["*.example.com"], "https", "badexample.com", 443, "203.0.113.7"),
    "another host": (["idp.example.com"], "https", "example.com", 443, "203.0.113.7"),
    "an address next to the network": (["10.0.0.0/8"], "https", "db.internal", 443, "11.0.0.1"),
    "IPv6 where IPv4 is allowed": (["10.0.0.0/8"], "https", "db.internal", 443, "fd00::1"),
    "a host without TLS": (["idp.example.com"], "http", "idp.example.com", 80, "203.0.113.7"),
    "a network without TLS": (["10.0.0.0/8"], "http", "db.internal", 80, SERVICE),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """What is not named is not asked, and the setting is."""
    assert "REKEY_PROBE_ALLOWED" in str(refusal(*REFUSED[case]))


def test_a_name_without_addresses() -> None:
    """There is nothing to connect to."""
    assert refusal([], *OWN[:3]) == "till.orders.svc has no address"


@pytest.mark.parametrize(
    "entry", ["", "*", "*.", "a b", "https://a", "a/b", "10.0.0.1/8", "10.0.0.0/33", "a:0", "a:x", "u@a", "A.example"]
)
def test_an_entry_that_cannot_be_one(entry: str) -> None:
    """It is quoted, with what it may be."""
    with pytest.raises(ValueError, match="neither"):
        Allowed([entry])
