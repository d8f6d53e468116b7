"""The plan of a credential whose old versions must not be in use: nobody is asked for it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from rekey.app.plan import Plan, of_credential
from rekey.app.plan_show import unasked
from rekey.core.effects import What
from rekey.core.facts import Facts
from rekey.kube.credentials import Parser
from tests.app.credentials import settled
from tests.app.test_plan import NOON, lines, planned

USAGE = {"quiet": "90m", "prometheus": {"url": "https://p.shop.svc"}}
UNUSED = "no pod holds it, and nobody was seen using it for 1h30m"


async def look(facts: Facts, at: frozenset[What]) -> Facts:
    """Look as `rekey plan` does, where no pod holds anything."""
    return unasked(facts) if What.USAGE in at else replace(facts, pods=(), workloads=())


def over(**spec: Any) -> Plan:
    """Return the plan of a credential whose version 1 is over since an hour."""
    found = settled(metadata__finalizers=["rekey.dev/finalizer"], **spec)
    found["status"]["versions"][0] |= {"retireTime": "2026-11-21T08:00:00Z", "overlapStartTime": "2026-11-21T08:00:00Z"}
    return asyncio.run(of_credential(Parser().parse(found), NOON, look))


TOLD = {
    "usage": {"quiet": "90m", "backend": {}},
    "provider": {"ref": {"name": "aws"}, "awsAccessKey": {"userName": "orders"}},
    "generate": None,
}


@pytest.mark.parametrize("told", [False, True], ids=["prometheus", "backend"])
def test_what_exists_is_planned_without_asking(*, told: bool) -> None:
    """It says what is waited for, and where to find what the operator saw; those to come wait as well."""
    plan = over(**({f"spec__{name}": part for name, part in TOLD.items()} if told else {"spec__usage": USAGE}))
    said = "version 1 may still be in use: a plan does not ask; the condition RevocationBlocked tells what"
    assert plan.lines[0].why == "UsageUnknown"
    assert plan.lines[0].what.startswith(said)
    assert lines(plan)[1] == f"version 1 is revoked when {UNUSED}"
    assert plan.lines[3].why == f"its overlap is over and {UNUSED}"


def test_without_the_field_nothing_is_said_of_it() -> None:
    """The old version is revoked next."""
    assert over().lines[0].why == "Commit"


def test_a_manifest_says_what_each_revocation_takes() -> None:
    """Also that a deadline is stronger."""
    overlap = {"duration": "1h", "deadline": "48h", "atDeadline": "Revoke"}
    plan = planned(rotation={"schedule": "0 0 * * *"}, overlap=overlap, usage=USAGE)
    assert plan.lines[2].why == f"its overlap is over and {UNUSED}, or 48h after it was replaced"
