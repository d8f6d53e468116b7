"""The plan of a credential that lives at a backend, rotated or renewed."""

import asyncio
from dataclasses import replace

from rekey.app.plan import of_credential, of_manifest
from rekey.core.effects import What
from rekey.core.facts import Facts
from rekey.core.spec import RotatedCredentialSpec
from rekey.kube.credentials import Parser
from tests.app.credentials import settled
from tests.app.test_plan import HOUR, NOON, lines

ROLE = {"ref": {"name": "db"}, "postgresql": {"role": "orders"}}
TOKEN = {"ref": {"name": "idp"}, "oauth2": {}}


async def look(facts: Facts, _: frozenset[What]) -> Facts:
    """Look where no pod holds anything."""
    return replace(facts, pods=(), workloads=())


def test_a_role_is_planned_like_any_value() -> None:
    """Its interval says when."""
    spec = RotatedCredentialSpec.model_validate({"provider": ROLE, "rotation": {"interval": "10h"}})
    assert lines(of_manifest("shop/orders", spec, NOON))[:2] == [
        "0h version 1 is made; Secret orders shows it",
        "10h version 2 is made (latest)",
    ]


def test_of_a_token_that_is_to_come_only_its_server_knows() -> None:
    """Its first version is made now; when the next one is, nobody can tell."""
    plan = of_manifest("shop/orders", RotatedCredentialSpec.model_validate({"provider": TOKEN}), NOON)
    assert lines(plan) == [
        "0h version 1 is made; Secret orders shows it",
        "version 2 is made; nothing is restarted, and version 1 ends by itself",
    ]


def test_a_token_is_renewed_before_it_ends() -> None:
    """The one that is out says when the next one is made."""
    found = settled(spec={"provider": TOKEN}, metadata__finalizers=["rekey.dev/finalizer"])
    for version, ends in zip(found["status"]["versions"], ("12:30", "14:00"), strict=True):
        version |= {"expirationTime": f"2026-11-21T{ends}:00Z", "overlapStartTime": "2026-11-21T11:59:00Z"}
    plan = asyncio.run(of_credential(Parser().parse(found), NOON, look))
    (renewal,) = [line for line in plan.lines if "version 3 is made" in line.what]
    assert renewal.at is not None
    assert NOON + 1.9 * HOUR < renewal.at < NOON + 2 * HOUR
    assert renewal.why == "version 2 ends 2026-11-21 14:00:00Z"
