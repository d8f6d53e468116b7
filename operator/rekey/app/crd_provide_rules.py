"""The CEL rules about credentials that live at a backend: what they are of stays, and what does not go with them."""

from typing import Final

from rekey.app.crd_rule import Rule
from rekey.core.spec_provide import PROVIDED

PROVIDE_RULES: Final = (
    Rule("spec", "has(self.generate) != has(self.provider)", "must have exactly one of `generate` and `provider`"),
    Rule(
        "spec",
        "has(self.generate) == has(oldSelf.generate)",
        "cannot change from `generate` to `provider` or back: make another RotatedCredential instead",
    ),
    Rule(
        "spec.provider",
        f"[{', '.join(f'has(self.{kind})' for kind in PROVIDED)}].exists_one(kind, kind)",
        f"must have exactly one of {', '.join(f'`{kind}`' for kind in PROVIDED)}",
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
