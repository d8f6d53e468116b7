"""The CEL rules about credentials that live at a backend: what they are of stays, and what does not go with them."""

from typing import Final

from rekey.app.crd_rule import Rule, between, delivered, one_of, same_of
from rekey.core.spec_provide import KINDS

RENEWED: Final = f"({' || '.join(delivered(name) for name, kind in KINDS.items() if kind.renews)})"

PROVIDE_RULES: Final = (
    Rule("spec", "has(self.generate) != has(self.provider)", "must have exactly one of `generate` and `provider`"),
    Rule(
        "spec",
        "has(self.generate) == has(oldSelf.generate)",
        "cannot change from `generate` to `provider` or back: make another RotatedCredential instead",
    ),
    Rule(
        "spec.notify",
        "self.all(one, self.exists_one(other, other.ref == one.ref))",
        "must name each webhook once",
    ),
    one_of("spec.provider", KINDS),
    same_of(
        "spec.provider",
        KINDS,
        "cannot change its kind: consumers read another key; make another RotatedCredential instead",
    ),
    Rule(
        "spec",
        f"{RENEWED} || has(self.rotation.interval) != has(self.rotation.schedule)",
        "must have exactly one of `interval` and `schedule`",
        field=".rotation",
    ),
    Rule(
        "spec",
        f"!{RENEWED} || (!has(self.rotation.interval) && !has(self.rotation.schedule) && !has(self.rotation.lifetime)"
        " && self.rotation.?windows.orValue([]).size() == 0)",
        "must have no `interval`, `schedule`, `lifetime` or `windows` for a token, which is renewed before it ends",
        field=".rotation",
    ),
    Rule(
        "spec",
        f"!{RENEWED} || !has(self.consumers) || self.consumers.all(one, one.refresh == 'None')",
        "must have `refresh: None` for a token that is renewed: nothing is restarted for that",
        field=".consumers",
    ),
    Rule(
        "spec",
        f"!{RENEWED} || !has(self.validation)",
        "must not be set for a token that is renewed: it is proved by introspection, and nobody is waited for",
        field=".validation",
    ),
    Rule(
        "spec.provider.ref",
        "self == oldSelf",
        "is immutable: versions live there that are still to be revoked; make another RotatedCredential instead",
    ),
    Rule(
        "spec.provider.postgresql.role",
        "self == oldSelf",
        "is immutable: versions are members of it; make another RotatedCredential instead",
    ),
    *(
        Rule(at, "self == oldSelf", "is immutable: versions live there; make another RotatedCredential instead")
        for at in (
            *("spec.provider.vaultKV", "spec.provider.vaultAppRole", "spec.provider.vaultPKI.mount"),
            "spec.provider.vaultDatabase",
        )
    ),
    Rule(
        "spec.provider.awsAccessKey.userName",
        "self == oldSelf",
        "is immutable: versions are keys of that user; make another RotatedCredential instead",
    ),
    between("spec.provider.serviceAccountToken.expiration", "10m", "24h"),
    Rule(
        "spec",
        "!has(self.provider) || self.target.adopt == 'Never'",
        "must be `Never` with `provider`: nothing is known at the backend of a value that was found",
        field=".target.adopt",
    ),
    Rule(
        "spec",
        "!has(self.provider) || !has(self.verifier)",
        "must not be set with `provider`: the backend is who verifies",
        field=".verifier",
    ),
)
