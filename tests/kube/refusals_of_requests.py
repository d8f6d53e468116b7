"""What the API server must refuse of RotationRequests: each case changes one field of an accepted spec."""

from typing import Any, Final

from tests.kube.manifests import GONE
from tests.kube.refusals import Refusal

R = Refusal
_LABELS: Final = {"matchLabels": {"tier": "web"}}

REQUESTS: Final[dict[str, dict[str, Any]]] = {
    "manual": {"reason": "Manual", "credentialRef": {"name": "orders"}},
    "many": {"reason": "Manual", "selector": _LABELS},
    "expressions": {
        "reason": "Compromise",
        "revoke": "AfterRollout",
        "selector": {"matchExpressions": [{"key": "a.example/tier", "operator": "NotIn", "values": ["web", "db"]}]},
    },
    "leak": {"reason": "Compromise", "revoke": "Immediately", "credentialRef": {"name": "orders"}},
    "back": {"reason": "Rollback", "credentialRef": {"name": "orders"}},
    "back to": {"reason": "Rollback", "version": 6, "credentialRef": {"name": "orders"}},
    "revoke": {"reason": "Revoke", "version": 6, "credentialRef": {"name": "orders"}},
    "everything": {
        "reason": "Revoke",
        "version": 1,
        "credentialRef": {"name": "a" * 63},
        "message": "found in a ticket\nö",
        "requestedBy": "alice@example.com",
        "ttlAfterFinished": "90m",
    },
}

REFUSED: Final = {
    "no reason": R("manual", "reason", GONE, "Required"),
    "an unknown reason": R("manual", "reason", "Whim", "supported values"),
    "nobody is meant": R("manual", "credentialRef", GONE, "exactly one of `credentialRef` and `selector`", at=""),
    "two ways to say who is meant": R("manual", "selector", _LABELS, "exactly one of", at=""),
    "a credential without a name": R("manual", "credentialRef", {}, "Required", at="credentialRef.name"),
    "an empty name": R("manual", "credentialRef/name", "", "at least 1 chars"),
    "a name with capitals": R("manual", "credentialRef/name", "Orders", "should match"),
    "a name that no credential can have": R("manual", "credentialRef/name", "a" * 64, "Too long"),
    "a selector of everything": R("many", "selector", {}, "must not be empty"),
    "a selector of everything, in many words": R("many", "selector/matchLabels", {}, "not be empty", at="selector"),
    "a label with a wrong key": R("many", "selector/matchLabels", {"-a": "b"}, "must have valid keys of labels"),
    "a label with a wrong value": R("many", "selector/matchLabels/tier", "a b", "should match"),
    "values that are missing": R(
        "expressions", "selector/matchExpressions/0/values", GONE, "must be set with `In` and `NotIn`"
    ),
    "values for nothing": R(
        "expressions",
        "selector/matchExpressions/0/operator",
        "Exists",
        "only with these",
        at="selector.matchExpressions[0].values",
    ),
    "a compromise that does not say when": R("leak", "revoke", GONE, "must be set with `Compromise`"),
    "a compromise with another word": R("leak", "revoke", "Later", "supported values"),
    "a manual request that revokes": R("manual", "revoke", "Immediately", "and only there"),
    "a rollback that revokes": R("back", "revoke", "AfterRollout", "and only there"),
    "a revocation of nothing": R("revoke", "version", GONE, "must be set with `Revoke`"),
    "a version in a manual request": R("manual", "version", 3, "only with `Revoke` and `Rollback`"),
    "a version in a compromise": R("leak", "version", 3, "only with `Revoke` and `Rollback`"),
    "version 0": R("revoke", "version", 0, "greater than or equal to 1"),
    "a version too large": R("revoke", "version", 1_000_000_000, "less than or equal to 999999999"),
    "half a version": R("revoke", "version", "six", "must be of type integer"),
    "a name of two lines": R("manual", "requestedBy", "alice\nbob", "should match"),
    "a name too long": R("manual", "requestedBy", "a" * 201, "Too long"),
    "a message too long": R("manual", "message", "a" * 1025, "Too long"),
    "a time to live that is none": R("manual", "ttlAfterFinished", "1d", "should match"),
    "a time to live of years": R("manual", "ttlAfterFinished", "8761h", "must be from 0s to 8760h"),
}

SELECTED: Final = R("revoke", "selector", _LABELS, "must not be set together with `version`")
"""Where the credential is taken away as well."""

IMMUTABLE: Final = {
    "another credential": R("manual", "credentialRef/name", "bills", "is immutable", at=""),
    "another reason": R("manual", "reason", "Rollback", "is immutable", at=""),
    "less patience with a leak": R("leak", "revoke", "AfterRollout", "is immutable", at=""),
    "another version": R("revoke", "version", 7, "is immutable", at=""),
    "a message that comes later": R("manual", "message", "because", "is immutable", at=""),
    "another time to live": R("manual", "ttlAfterFinished", "1h", "is immutable", at=""),
}
