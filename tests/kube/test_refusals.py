"""What the API server's refusals become, and that they take nothing along that was sent."""

from dataclasses import dataclass

import orjson
import pytest

from rekey.errors import (
    Conflict,
    Forbidden,
    NamespaceTerminating,
    NotFound,
    Rejected,
    RekeyError,
    Retryable,
    Taken,
)
from rekey.kube.api import CREATE, MERGE, SECRETS, WORKLOADS
from rekey.kube.refusals import refusal
from tests.kube.answering import SECRET, status


@dataclass(frozen=True)
class Case:
    """An answer and the error that it must become."""

    code: int
    body: object
    error: type[RekeyError]


REFUSALS = {
    "a name that exists is taken": Case(409, status("AlreadyExists"), Taken),
    "another resourceVersion is a conflict": Case(409, status("Conflict"), Conflict),
    "a conflict that a proxy reports is a conflict": Case(409, "<html>", Conflict),
    "another uid is a conflict": Case(422, status("Invalid", ("FieldValueInvalid", "metadata.uid")), Conflict),
    "an object that does not exist is not found": Case(404, status("NotFound"), NotFound),
    "a namespace that ends takes nothing new": Case(
        403, status("Forbidden", ("NamespaceTerminating", "metadata.namespace")), NamespaceTerminating
    ),
    "a right that is missing is said so": Case(403, status("Forbidden"), Forbidden),
    "a refusal without words is about rights": Case(403, None, Forbidden),
    "an invalid object needs a person": Case(422, status("Invalid", ("FieldValueInvalid", "spec.x")), Rejected),
    "a bad request needs a person": Case(400, status("BadRequest"), Rejected),
    "too large a request needs a person": Case(413, status("RequestEntityTooLarge"), Rejected),
    "an unknown media type needs a person": Case(415, None, Rejected),
    "a login that ran out may be renewed": Case(401, status("Unauthorized"), Retryable),
    "a list that took too long may begin anew": Case(410, status("Expired"), Retryable),
    "too many requests may come back": Case(429, status("TooManyRequests"), Retryable),
    "an error of the server may pass": Case(500, status("InternalError"), Retryable),
    "a bad gateway may pass": Case(502, "<html>", Retryable),
    "an unavailable server may pass": Case(503, None, Retryable),
    "a gateway's timeout may pass": Case(504, status("Timeout"), Retryable),
    "a redirect is nothing that is followed": Case(302, "<html>", Retryable),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("path", [SECRETS.one("shop", "db"), WORKLOADS["Deployment"].one("shop", "db")])
def test_classes(case: Case, path: object) -> None:
    """Each answer becomes the error of what the caller does next, and repeats nothing that it quotes."""
    assert isinstance(path, type(SECRETS.all("shop")))
    error = refusal(MERGE, path, case.code, {}, orjson.dumps(case.body))
    assert type(error) is case.error
    assert SECRET not in repr(error)
    assert "shop" in str(error)
    assert path.resource in str(error)


def test_named_fields() -> None:
    """A refused object's fields are named, but for a Secret, where even those may tell something."""
    body = orjson.dumps(status("Invalid", ("FieldValueInvalid", "spec.replicas"), ("FieldValueRequired", "x")))
    workload = refusal(MERGE, WORKLOADS["Deployment"].all("shop"), 422, {}, body)
    secret = refusal(CREATE, SECRETS.all("shop"), 422, {}, body)
    assert str(workload) == (
        "patch deployments in namespace shop: refused with status 422"
        " (spec.replicas: FieldValueInvalid; x: FieldValueRequired)"
    )
    assert str(secret) == "create secrets in namespace shop: refused with status 422"


def test_missing_right() -> None:
    """A missing right is said with verb, resource and namespace, ready to be granted."""
    error = refusal(CREATE, SECRETS.all("shop"), 403, {}, orjson.dumps(status("Forbidden")))
    assert isinstance(error, Forbidden)
    assert (error.verb, error.resource, error.namespace) == ("create", "secrets", "shop")


IN_THE_WAY = {
    "a policy": (
        403,
        "ValidatingAdmissionPolicy 'rekey-fence' with binding 'b' denied",
        "ValidatingAdmissionPolicy rekey-fence",
    ),
    "a policy by its usual code": (
        422,
        "ValidatingAdmissionPolicy 'team' with binding 'b' denied",
        "ValidatingAdmissionPolicy team",
    ),
    "a webhook": (403, 'admission webhook "v.gate.io" denied the request', "admission webhook v.gate.io"),
    "a webhook by its usual code": (
        400,
        'admission webhook "v.gate.io" denied the request',
        "admission webhook v.gate.io",
    ),
    "a quota": (403, "exceeded quota: team-a, requested: secrets=1, used", "ResourceQuota team-a"),
}


@pytest.mark.parametrize("title", IN_THE_WAY)
def test_what_is_in_the_way_is_named(title: str) -> None:
    """It is no right that somebody could grant, and tried again later; what it has to say is not repeated."""
    code, words, named = IN_THE_WAY[title]
    body = orjson.dumps(status("Forbidden") | {"message": f'secrets "{SECRET}" is forbidden: {words}: {SECRET}'})
    error = refusal(MERGE, SECRETS.all("shop"), code, {}, body)
    assert type(error) is Forbidden
    assert str(error) == f"not allowed to patch secrets in namespace shop: refused by {named}"


@pytest.mark.parametrize(
    ("headers", "details", "seconds"),
    [
        pytest.param({"Retry-After": "7"}, {}, 7.0, id="the header says when"),
        pytest.param({}, {"retryAfterSeconds": 3}, 3.0, id="the answer says when"),
        pytest.param({"Retry-After": "7"}, {"retryAfterSeconds": 3}, 7.0, id="the header goes first"),
        pytest.param({"Retry-After": "-1"}, {}, 0.0, id="the past is now"),
        pytest.param({"Retry-After": "Mon, 04 May 2026 12:00:00 GMT"}, {}, None, id="a date is not understood"),
        pytest.param({}, {}, None, id="nobody says when"),
    ],
)
def test_patience(headers: dict[str, str], details: dict[str, object], seconds: float | None) -> None:
    """The time that a busy server asks for is handed on."""
    error = refusal(MERGE, SECRETS.all("shop"), 429, headers, orjson.dumps(status("", **details)))
    assert isinstance(error, Retryable)
    assert error.retry_after == seconds
