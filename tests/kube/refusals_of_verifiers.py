"""What the API server must refuse about those who verify: each case changes one field of an accepted spec."""

from typing import Any, Final

from tests.kube import refusals_of_health, refusals_of_targets
from tests.kube.manifests import GONE
from tests.kube.refusals import Refusal

R = Refusal
SECRET: Final[dict[str, Any]] = {"secretName": "v", "format": "SHA256"}

VERIFIER: Final = {
    "a verifier without a Secret": R("verifier", "verifier/secretName", GONE, "Required"),
    "a verifier without a format": R("verifier", "verifier/format", GONE, "Required"),
    "an unknown format": R("verifier", "verifier/format", "MD5", "Unsupported value"),
    "a verifier's Secret in upper case": R("verifier", "verifier/secretName", "A", "should match"),
    "a verifier's Secret with an endless name": R("verifier", "verifier/secretName", "a" * 241, "may not be more than"),
    "the bundle as the verifier's Secret": R("verifier", "verifier/secretName", "orders", "must not be the Secret"),
    "a version's Secret as the verifier's": R("verifier", "verifier/secretName", "orders-v2", "must not be the Secret"),
    "a format for signing keys": R("verifier", "verifier/format", "JWKS", "must fit what is made"),
    "hashes of an HMAC key": R("restarted verifiers", "verifier/format", "SHA256", "must fit what is made"),
    "keys of many in one Secret": R(
        "restarted verifiers", "verifier/aggregate", value=True, says="must not be set with `format"
    ),
    "a client of two lines": R("verifier", "verifier/client", "a\nb", "should match"),
    "a client without a name": R("verifier", "verifier/client", "", "at least 1 chars"),
    "a scope of two words": R("verifier", "verifier/scopes/0", "a b", "should match"),
    "33 scopes": R("verifier", "verifier/scopes", [f"s{n}" for n in range(33)], "must have at most 32"),
    "an audience of two lines": R("verifier", "verifier/audience/0", "a\nb", "should match"),
    "17 audiences": R("verifier", "verifier/audience", [f"a{n}" for n in range(17)], "must have at most 16"),
    "tokens that outlive their key by a second": R(
        "verifier",
        "verifier/tokenLifetime",
        "1h1s",
        "must, with `overlap.propagation`, be at least",
        at="overlap.duration",
    ),
    "a cache that outlives the key by a second": R(
        "verifier", "verifier/cacheTime", "1h1m31s", "be at least `verifier.tokenLifetime`", at="overlap.duration"
    ),
    "a token's lifetime without a unit": R("verifier", "verifier/tokenLifetime", "3600", "should match"),
    "a verifier that reloads by itself in no time": R(
        "restarted verifiers", "consumers/0/refresh", "None", "must be greater than 0s", at="overlap.propagation"
    ),
    "verifiers that nobody declares, in no time": R(
        "restarted verifiers", "consumers", GONE, "must be greater than 0s", at="overlap.propagation"
    ),
    "a consumer that verifies by nothing": R(
        "named consumers",
        "consumers/0/role",
        "Verifier",
        "must have no `role: Verifier` without",
        at="consumers",
    ),
}

REFUSED: Final[dict[str, Refusal]] = {**refusals_of_targets.REFUSED, **refusals_of_health.HEALTH, **VERIFIER}

# Refused when an accepted resource is updated.
IMMUTABLE: Final = {
    **refusals_of_targets.IMMUTABLE,
    "another Secret for verifiers": R("verifier", "verifier/secretName", "other", "is immutable"),
    "another format for verifiers": R("restarted verifiers", "verifier/format", "CABundle", "is immutable"),
    "a Secret of its own that is to be shared": R("verifier", "verifier/aggregate", value=True, says="is immutable"),
    "a Secret that is to be shared no more": R(
        "shared verifiers", "verifier/aggregate", value=False, says="is immutable"
    ),
    "a shared Secret, of which nothing is said any more": R(
        "shared verifiers", "verifier/aggregate", GONE, "is immutable"
    ),
    "no verifier any more": R("verifiers unknown", "verifier", GONE, "cannot be taken away"),
}
