"""How an election is put together: which Leases, which rights, who we are."""

from typing import Any

import pytest

from rekey.app import electing
from rekey.app.settings import Settings
from rekey.kube.config import Access
from rekey.kube.rights import needed

HERE = Access("https://api", None, None, "rekey-system")
LEASE = [
    "get leases.coordination.k8s.io 'rekey' in namespace rekey-system",
    "update leases.coordination.k8s.io 'rekey' in namespace rekey-system",
    "create leases.coordination.k8s.io in namespace rekey-system",
]
RIGHTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "without an election there are none besides": ({"leader_election": False}, []),
    "one Lease by name": ({}, LEASE),
    "the Lease may be elsewhere": (
        {"lease_namespace": "ops"},
        [line.replace("rekey-system", "ops") for line in LEASE],
    ),
    "two shards: two Leases, one right to create, and the namespaces": (
        {"shards": 2},
        [
            "get leases.coordination.k8s.io 'rekey-0' in namespace rekey-system",
            "update leases.coordination.k8s.io 'rekey-0' in namespace rekey-system",
            "create leases.coordination.k8s.io in namespace rekey-system",
            "get leases.coordination.k8s.io 'rekey-1' in namespace rekey-system",
            "update leases.coordination.k8s.io 'rekey-1' in namespace rekey-system",
            "list namespaces in all namespaces",
        ],
    ),
}


@pytest.mark.parametrize("name", RIGHTS)
def test_which_rights_are_needed(name: str) -> None:
    """Besides those for the work itself these, and no others."""
    given, more = RIGHTS[name]
    found = [str(right) for right in electing.rights(Settings(**given), HERE)]
    assert found == [*map(str, needed(())), *more]


def test_who_we_are() -> None:
    """The name that was given; else one that no other process has."""
    assert electing.identity(Settings(identity="rekey-7d9f-x")) == "rekey-7d9f-x"
    assert electing.identity(Settings()) != electing.identity(Settings())


def test_one_shard_has_no_map() -> None:
    """With one shard nobody asks for labels."""
    assert electing.shard_map(Settings()) is None
    assert electing.shard_map(Settings(shards=2)) is not None
