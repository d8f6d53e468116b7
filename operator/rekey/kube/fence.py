"""Whether the API server refuses the writes of a former leader: policy, bindings and our own login are looked at.

1. The chart makes a ValidatingAdmissionPolicy, a binding for each Lease, named after both, and one more policy that
   keeps the Leases: without its parameter a policy lets everything pass (or, if told so, nothing, and nobody's).
2. Only what would let a stale write through is a fault; more than is asked for is not our business.
3. The API server is asked who we are: a token that is bound to no pod, or to another, can never be the leader's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from rekey.core.facts import Fence
from rekey.core.reasons import Reason
from rekey.errors import Forbidden, NotFound, Rejected
from rekey.kube.api import CREATE, GET, Json, Path
from rekey.kube.client import Client

_ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1"
_POLICY: Final = "ValidatingAdmissionPolicy"
_POLICIES: Final = "validatingadmissionpolicies"
_BINDINGS: Final = "validatingadmissionpolicybindings"
_REVIEW: Final = Path("/apis/authentication.k8s.io/v1/selfsubjectreviews", "selfsubjectreviews")
Found: TypeAlias = dict[str, Json]
_POD: Final = "authentication.kubernetes.io/pod-name"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The fence as it should be: the policy's name, the Leases, their namespace, and the pod that we are."""

    policy: str
    leases: Sequence[str]
    namespace: str
    pod: str

    @property
    def keeper(self) -> str:
        """The name of the policy that keeps the Leases, and of its binding."""
        return f"{self.policy}-lease"

    @property
    def bindings(self) -> dict[str, str]:
        """The name of the binding of each Lease."""
        return {lease: f"{self.policy}-{lease}" for lease in self.leases}


async def look(client: Client, wanted: Wanted) -> Fence:
    """Return whether we are fenced, and why not.

    Raises:
        Retryable: nobody can tell now.
    """
    try:
        policies = {name: await _read(client, _POLICIES, name) for name in (wanted.policy, wanted.keeper)}
        bindings = {name: await _read(client, _BINDINGS, name) for name in (*wanted.bindings.values(), wanted.keeper)}
        me = (await client.request(CREATE, _REVIEW, body=_review()))["status"]["userInfo"]
    except (Forbidden, Rejected) as error:
        return Fence(holds=False, reason=Reason.MISSING_RIGHTS, message=f"whether it is there cannot be seen: {error}")
    fault = next(_faults(wanted, policies, bindings, me), None)
    return fault or Fence(holds=True, reason=Reason.ENFORCED, message="")


def _faults(wanted: Wanted, policies: Found, bindings: Found, me: Json) -> Iterator[Fence]:
    missing = [f"there is no {_POLICY} {name}" for name, found in policies.items() if found is None]
    missing += [f"there is no {_POLICY}Binding {name}" for name, found in bindings.items() if found is None]
    for text in missing:
        yield _no(Reason.NO_POLICY, text)
    if missing:
        return
    for name, fields in _open(wanted, policies, bindings, str(me.get("username", ""))):
        yield from (_no(Reason.FAILS_OPEN, f"{name}: {field}") for field in fields)
    pods = (me.get("extra") or {}).get(_POD) or [""]
    if pods != [wanted.pod]:
        text = f"our token is bound to {f'pod {pods[0]}' if pods[0] else 'no pod'}, and we are pod {wanted.pod}"
        yield _no(Reason.NOT_BOUND, text)


def _open(wanted: Wanted, policies: Found, bindings: Found, account: str) -> Iterator[tuple[str, Iterator[str]]]:
    """Give the names of policies and bindings, each with what lets a stale write through."""
    for name, policy in policies.items():
        yield f"{_POLICY} {name}", _lenient(policy["spec"])
    yield f"{_POLICY} {wanted.policy}", _astray(policies[wanted.policy]["spec"], account)
    for name, binding in bindings.items():
        yield f"{_POLICY}Binding {name}", _idle(name, wanted, binding["spec"])
    for lease, name in wanted.bindings.items():
        yield f"{_POLICY}Binding {name}", _elsewhere(wanted, lease, bindings[name]["spec"])


def _lenient(spec: dict[str, Any]) -> Iterator[str]:
    if (spec.get("failurePolicy") or "Fail") != "Fail":
        yield "failurePolicy is not Fail"


def _astray(spec: dict[str, Any], account: str) -> Iterator[str]:
    if (spec.get("paramKind") or {}).get("kind") != "Lease":
        yield "paramKind is not Lease"
    if not any(f"'{account}'" in one["expression"] for one in spec.get("matchConditions") or ()):
        yield f"matchConditions do not name our account {account}"


def _idle(name: str, wanted: Wanted, spec: dict[str, Any]) -> Iterator[str]:
    policy = wanted.keeper if name == wanted.keeper else wanted.policy
    if spec.get("policyName") != policy:
        yield f"policyName is not {policy}"
    if "Deny" not in (spec.get("validationActions") or ()):
        yield "validationActions has no Deny"


def _elsewhere(wanted: Wanted, lease: str, spec: dict[str, Any]) -> Iterator[str]:
    parameter = spec.get("paramRef") or {}
    if (parameter.get("namespace"), parameter.get("name")) != (wanted.namespace, lease):
        yield f"paramRef is not Lease {lease} in namespace {wanted.namespace}"


def _no(reason: Reason, message: str) -> Fence:
    return Fence(holds=False, reason=reason, message=f"{message}: a former leader's writes would not be refused")


async def _read(client: Client, plural: str, name: str) -> Json:
    try:
        return await client.request(GET, Path(f"{_ADMISSION}/{plural}/{name}", plural))
    except NotFound:
        return None


def _review() -> dict[str, str]:
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
