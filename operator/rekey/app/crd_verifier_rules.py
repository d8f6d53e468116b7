"""The CEL rules about those who verify: what they read stays, fits what is made, and comes before its first use."""

from typing import Final

from rekey.app.crd_rule import Rule, made, whole
from rekey.core.spec_generate import Generate
from rekey.core.spec_verifier import FITTING

_KINDS: Final = {str(field.alias) for field in Generate.model_fields.values()}
# A rule may name only kinds that the schema has.
_FITS: Final = " || ".join(
    f"(self.verifier.format == '{form}' && {made(kind)})"
    for form, kinds in FITTING.items()
    for kind in kinds
    if kind in _KINDS
)
_BUNDLE: Final = "(has(self.spec.target.secretName) ? self.spec.target.secretName : self.metadata.name)"
_NONE_VERIFIES: Final = "!has(self.consumers) || self.consumers.all(one, one.role != 'Verifier')"
_RESTARTED: Final = "self.consumers.all(one, one.role != 'Verifier' || one.refresh == 'Restart')"

VERIFIER_RULES: Final = (
    Rule("spec.verifier.secretName", "self == oldSelf", "is immutable: verifiers read that Secret"),
    Rule("spec.verifier.format", "self == oldSelf", "is immutable: verifiers read that format"),
    Rule("spec.verifier.aggregate", "self == oldSelf", "is immutable: verifiers read that Secret"),
    Rule(
        "spec",
        "!has(self.verifier) || !self.verifier.aggregate || self.verifier.format != 'HMAC'",
        "must not be set with `format: HMAC`: whoever verifies one credential would read the keys of all",
        field=".verifier.aggregate",
    ),
    Rule(
        "spec",
        "!has(oldSelf.verifier) || has(self.verifier)",
        "cannot be taken away: verifiers would go on with what they read last;"
        " delete the RotatedCredential and make another one",
        field=".verifier",
    ),
    Rule(
        "",
        "!has(self.spec.verifier)"
        f" || self.spec.verifier.secretName != {_BUNDLE}"
        f" && !(self.spec.verifier.secretName.startsWith({_BUNDLE} + '-v')"
        " && self.spec.verifier.secretName.matches('-v[0-9]+$'))",
        "must not be the Secret that the credential is read from, nor one of a version",
        field=".spec.verifier.secretName",
    ),
    Rule(
        "spec",
        f"!has(self.verifier) || !has(self.generate) || {_FITS}",
        "must fit what is made: SHA256 password or token, JWKS signingKey, CABundle certificate,"
        " AuthorizedKeys sshKey, HMAC hmacKey",
        field=".verifier.format",
    ),
    Rule(
        "spec",
        "!has(self.verifier)"
        f" || !({whole('self.overlap.duration', 'self.overlap.propagation')})"
        f" || !({whole('self.verifier.tokenLifetime', 'self.verifier.cacheTime')})"
        " || duration(self.overlap.duration) + duration(self.overlap.propagation)"
        " >= duration(self.verifier.tokenLifetime) + duration(self.verifier.cacheTime)",
        "must, with `overlap.propagation`, be at least `verifier.tokenLifetime` and `verifier.cacheTime` together:"
        " otherwise a token could outlive its key",
        field=".overlap.duration",
    ),
    Rule(
        "spec",
        f"!has(self.verifier) || !({whole('self.overlap.propagation')})"
        " || duration(self.overlap.propagation) > duration('0s')"
        f" || (!({_NONE_VERIFIES}) && {_RESTARTED})",
        "must be greater than 0s with `verifier`, unless every verifier is a consumer that is restarted:"
        " it is the time in which the others read what has changed",
        field=".overlap.propagation",
    ),
    Rule(
        "spec",
        f"has(self.verifier) || {_NONE_VERIFIES}",
        "must have no `role: Verifier` without `spec.verifier`: there is nothing that they could read",
        field=".consumers",
    ),
)
