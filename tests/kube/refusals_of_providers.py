"""What the API server must refuse about credentials that live at a backend: each case changes one field."""

from typing import Any, Final

from tests.kube import refusals_of_usage, refusals_of_verifiers
from tests.kube.manifests import GONE
from tests.kube.refusals import Refusal

R = Refusal
_ROLE: Final = "provider/postgresql/role"
_EXACTLY: Final = "must have exactly one of"
VERIFIER: Final[dict[str, Any]] = {"secretName": "a", "format": "SHA256"}

_INTERVAL: Final = {"interval": "720h"}
TOKENS: Final = {
    "a token that is rotated by interval": R("renewed token", "rotation", _INTERVAL, "must have no `interval`"),
    "a token whose users are restarted": R(
        "renewed token", "consumers/0/refresh", "Restart", "must have `refresh: None`", at="consumers"
    ),
    "a token that is proved by a request": R(
        "renewed token", "validation", {"failureThreshold": 1}, "must not be set for a token"
    ),
    "a scope of two words": R("renewed token", "provider/oauth2/scopes/0", "a b", "should match"),
    "an account's token for a minute": R(
        "account's token", "provider/serviceAccountToken/expiration", "1m", "must be from 10m to 24h"
    ),
    "an account's token that is rotated": R("account's token", "rotation", _INTERVAL, "must have no `interval`"),
    "a token of no account": R("account's token", "provider/serviceAccountToken/serviceAccountName", GONE, "Required"),
    "a token for somebody in two words": R(
        "account's token", "provider/serviceAccountToken/audiences/0", "a b", "should match"
    ),
    "a role that is never rotated": R(
        "role of the cluster's", "rotation", {}, "must have exactly one of `interval` and `schedule`"
    ),
}
KEYS: Final = {
    "a key that is never rotated": R("key of a service", "rotation", {}, _EXACTLY),
    "a scope of two words of a key": R("key of a service", "provider/apiKey/scopes/0", "a b", "should match"),
    "a key that is delivered already": R(
        "key of a service", "target/template/data/api_key", "x", "is delivered already", at="target.template.data"
    ),
}
NOTIFIED: Final = {
    "a webhook that is named twice": R(
        *(
            "renewed token",
            "notify/1/ref",
            {"kind": "CredentialProvider", "name": "hook"},
            "must name each webhook once",
        ),
        at="notify",
    ),
    "an event that there is none of": R("renewed token", "notify/0/events/0", "revoked", "Unsupported value"),
    "a webhook without a name": R("renewed token", "notify/0/ref/name", GONE, "Required"),
}
VAULTS: Final = {
    "a path that leads out": R("pushed", "provider/vaultKV/path", "../sys/policy", "should match"),
    "a path with a blank step": R("pushed", "provider/vaultKV/path", "orders//db", "should match"),
    "a mount that is a URL": R("pushed", "provider/vaultKV/mount", "https://vault", "should match"),
    "a role of two steps": R("secret id", "provider/vaultAppRole/role", "orders/secret-id", "should match"),
    "a lease of a path": R("leased", "provider/vaultDatabase/role", "../sys/leases", "should match"),
    "a certificate for nobody": R("issued", "provider/vaultPKI/commonName", GONE, "Required"),
    "a certificate for an address": R("issued", "provider/vaultPKI/dnsNames/0", "a b", "should match"),
}
PROVIDERS: Final = {
    **TOKENS,
    **KEYS,
    **NOTIFIED,
    **VAULTS,
    "no source at all": R("token", "generate", GONE, _EXACTLY, at=""),
    "two sources": R("role of the cluster's", "generate", {"token": {}}, _EXACTLY, at=""),
    "no kind at a backend": R("role of the cluster's", "provider/postgresql", GONE, _EXACTLY, at="provider"),
    "a backend of no name": R("role", "provider/ref", GONE, "Required"),
    "a provider in upper case": R("role", "provider/ref/name", "DB", "should match"),
    "a provider of another kind": R("role", "provider/ref/kind", "SecretStore", "Unsupported value"),
    "no role": R("role", _ROLE, GONE, "Required"),
    "a role in quotes": R("role", _ROLE, 'orders"; DROP ROLE admin; --', "should match"),
    "a role in upper case": R("role", _ROLE, "Orders", "should match"),
    "a role whose versions have no room for a number": R("role", _ROLE, "a" * 53, "may not be more than 52"),
    "no connection at all": R("role", "provider/postgresql/connectionLimit", 0, "greater than or equal to 1"),
    "a user with a path": R("access key", "provider/awsAccessKey/userName", "apps/orders", "should match"),
    "no user": R("access key", "provider/awsAccessKey/userName", GONE, "Required"),
    "an access key that is never rotated": R("access key", "rotation", {}, "must have exactly one of `interval`"),
    "a key that an access key delivers": R(
        "access key", "target/template/data/aws_access_key_id", "x", "is delivered already", at="target.template.data"
    ),
    "a placeholder that no role fills": R(
        "role", "target/template/data/url", "${token}", "must hold no placeholder", at="target.template.data"
    ),
    "a key that a role delivers": R(
        "role", "target/template/data/username", "x", "is delivered already", at="target.template.data"
    ),
    "a value that is to be found at a backend": R(
        "role of the cluster's", "target/adopt", "Unowned", "must be `Never`"
    ),
    "somebody who verifies beside the backend": R(
        "role of the cluster's", "verifier", VERIFIER, "must not be set with `provider`"
    ),
}

REFUSED: Final[dict[str, Refusal]] = {**refusals_of_usage.REFUSED, **PROVIDERS}

# Refused when an accepted resource is updated.
IMMUTABLE: Final = {
    **refusals_of_verifiers.IMMUTABLE,
    "no generator any more": R("token", "generate", GONE, "cannot change from", at=""),
    "another provider": R("role", "provider/ref/name", "other", "is immutable", at="provider.ref"),
    "another kind": R(
        *("bare token", "provider", {"ref": {"name": "crm"}, "postgresql": {"role": "a"}}, "cannot change its kind"),
        also=("spec.rotation",),
    ),
    "another user": R("access key", "provider/awsAccessKey/userName", "sales", "is immutable"),
    "another path": R("pushed", "provider/vaultKV/path", "orders/other", "is immutable", at="provider.vaultKV"),
    "another AppRole": R(
        "secret id", "provider/vaultAppRole/role", "sales", "is immutable", at="provider.vaultAppRole"
    ),
    "another role of a database": R(
        "leased", "provider/vaultDatabase/role", "sales", "is immutable", at="provider.vaultDatabase"
    ),
    "another engine": R("issued", "provider/vaultPKI/mount", "pki2", "is immutable"),
    "another role": R("role", _ROLE, "sales", "is immutable"),
}
