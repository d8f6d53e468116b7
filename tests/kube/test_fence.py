"""Whether we are fenced: what must be there, and what would let a former leader's write through."""

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from rekey.core.facts import Fence
from rekey.core.reasons import Reason
from rekey.errors import Retryable
from rekey.kube import fence
from rekey.kube.client import Client
from tests.kube.answering import Answer, Asked, always, answering, status

WANTED = fence.Wanted("f", ("rekey",), "home", "pod-1")
POLICY, BINDING = "validatingadmissionpolicies", "validatingadmissionpolicybindings"
ACCOUNT = "system:serviceaccount:home:rekey"
GOOD: dict[str, Any] = {
    f"{POLICY}/f": {
        "failurePolicy": "Fail",
        "paramKind": {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"},
        "matchConditions": [{"name": "us", "expression": f"request.userInfo.username == '{ACCOUNT}'"}],
    },
    f"{POLICY}/f-lease": {"failurePolicy": "Fail"},
    f"{BINDING}/f-lease": {"policyName": "f-lease", "validationActions": ["Deny"]},
    f"{BINDING}/f-rekey": {
        "policyName": "f",
        "validationActions": ["Deny", "Audit"],
        "paramRef": {"name": "rekey", "namespace": "home", "parameterNotFoundAction": "Allow"},
    },
    "selfsubjectreviews": {
        "username": ACCOUNT,
        "extra": {"authentication.kubernetes.io/pod-name": ["pod-1"]},
    },
}
Change = Callable[[dict[str, Any]], object]


def at(name: str, **fields: Any) -> Change:
    """Return the change of some fields."""
    return lambda found: found[name].update(fields)


def no(name: str) -> Change:
    """Return the removal of an object."""
    return lambda found: found.pop(name)


FAULTS: dict[str, tuple[Change, Reason, str]] = {
    "no policy": (no(f"{POLICY}/f"), Reason.NO_POLICY, "there is no ValidatingAdmissionPolicy f:"),
    "no binding": (no(f"{BINDING}/f-rekey"), Reason.NO_POLICY, "there is no ValidatingAdmissionPolicyBinding f-rekey:"),
    "nothing that keeps the Lease": (no(f"{POLICY}/f-lease"), Reason.NO_POLICY, "ValidatingAdmissionPolicy f-lease:"),
    "a policy that lets pass what it cannot judge": (
        at(f"{POLICY}/f", failurePolicy="Ignore"),
        Reason.FAILS_OPEN,
        "ValidatingAdmissionPolicy f: failurePolicy is not Fail",
    ),
    "a policy about something else": (
        at(f"{POLICY}/f", paramKind=None),
        Reason.FAILS_OPEN,
        "f: paramKind is not Lease",
    ),
    "a policy about somebody else": (
        at(f"{POLICY}/f", matchConditions=[{"expression": "request.userInfo.username == 'other'"}]),
        Reason.FAILS_OPEN,
        f"matchConditions do not name our account {ACCOUNT}",
    ),
    "a binding that only warns": (
        at(f"{BINDING}/f-rekey", validationActions=["Warn"]),
        Reason.FAILS_OPEN,
        "f-rekey: validationActions has no Deny",
    ),
    "a keeper that only warns": (
        at(f"{BINDING}/f-lease", validationActions=["Audit"]),
        Reason.FAILS_OPEN,
        "f-lease: validationActions has no Deny",
    ),
    "a binding of another policy": (
        at(f"{BINDING}/f-rekey", policyName="g"),
        Reason.FAILS_OPEN,
        "policyName is not f:",
    ),
    "a binding to another Lease": (
        at(f"{BINDING}/f-rekey", paramRef={"name": "other", "namespace": "home"}),
        Reason.FAILS_OPEN,
        "paramRef is not Lease rekey in namespace home",
    ),
    "a token that is bound to no pod": (
        at("selfsubjectreviews", extra={}),
        Reason.NOT_BOUND,
        "our token is bound to no pod, and we are pod pod-1",
    ),
    "a token of another pod": (
        at("selfsubjectreviews", extra={"authentication.kubernetes.io/pod-name": ["pod-2"]}),
        Reason.NOT_BOUND,
        "our token is bound to pod pod-2, and we are pod pod-1",
    ),
}


def serving(found: dict[str, Any]) -> Answer:
    """Answer with these objects and nothing else."""

    async def answer(asked: Asked) -> web.StreamResponse:
        path = "/".join(asked.path.split("/")[4:])
        if path not in found:
            return web.json_response(status("NotFound"), status=404)
        key = "status" if asked.method == "POST" else "spec"
        body = {"userInfo": found[path]} if asked.method == "POST" else found[path]
        return web.json_response({"metadata": {"name": "x"}, key: body})

    return answer


def look(answer: Answer) -> Fence:
    """Return what is found on such a server."""

    async def scene() -> Fence:
        async with answering(answer) as server, Client(server.access()) as client:
            return await fence.look(client, WANTED)

    return asyncio.run(scene())


def test_a_fence_that_holds() -> None:
    """Policy, bindings and token as the chart and the kubelet make them."""
    assert look(serving(GOOD)) == Fence(holds=True, reason=Reason.ENFORCED, message="")


@pytest.mark.parametrize("name", FAULTS)
def test_a_fence_that_does_not_hold(name: str) -> None:
    """What is wrong is said, with the name of the object and what follows from it."""
    change, reason, says = FAULTS[name]
    found = copy.deepcopy(GOOD)
    change(found)
    seen = look(serving(found))
    assert (seen.holds, seen.reason) == (False, reason)
    assert says in seen.message
    assert seen.message.endswith("a former leader's writes would not be refused")


def test_a_fence_that_may_not_be_seen() -> None:
    """It does not count as one."""
    seen = look(always(403, status("Forbidden")))
    assert (seen.holds, seen.reason) == (False, Reason.MISSING_RIGHTS)
    assert "not allowed to get validatingadmissionpolicies in the cluster" in seen.message


def test_nobody_answers() -> None:
    """That says nothing about the fence."""
    with pytest.raises(Retryable):
        look(always(503))
