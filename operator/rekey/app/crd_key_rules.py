"""The CEL rules about key pairs and certificates: what belongs together, and how long each lives."""

from typing import Final

from rekey.app.crd_rule import Rule, made
from rekey.core import duration

_IP4: Final = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_H: Final = "[0-9a-fA-F]{1,4}"
# RFC 4291 without its mixed notation; the API server knows `isIP` only from 1.31 on.
ADDRESS: Final = "|".join(
    (
        f"({_IP4}[.]){{3}}{_IP4}",
        f"({_H}:){{7}}{_H}",
        f"({_H}:){{1,7}}:",
        f":(:{_H}){{1,7}}",
        *(f"({_H}:){{1,{7 - after}}}(:{_H}){{1,{after}}}" for after in range(1, 7)),
        "::",
    )
)


def _only_for_rsa(kind: str, field: str, *values: str) -> Rule:
    """Return the rule that the length of a key is set only where there is a choice."""
    words = " and ".join(f"`{value}`" for value in values)
    return Rule(
        f"spec.generate.{kind}",
        f"!has(self.bits) || self.{field} in {list(values)}",
        f"must be set only with {words}: other keys have one length",
        field=".bits",
    )


KEY_RULES: Final = (
    _only_for_rsa("signingKey", "algorithm", "RS256", "PS256"),
    _only_for_rsa("sshKey", "type", "rsa"),
    _only_for_rsa("certificate", "algorithm", "RS256"),
    Rule(
        "spec.generate.certificate",
        "!('ServerAuth' in self.usages)"
        " || self.?dnsNames.orValue([]).size() + self.?ipAddresses.orValue([]).size() > 0",
        "must have a name, or `ipAddresses` an address, with `ServerAuth`: clients look at nothing else",
        field=".dnsNames",
    ),
    Rule("spec.generate.certificate.ipAddresses[]", f"self.matches('^({ADDRESS})$')", "must be an IP address"),
    Rule(
        "spec",
        f"!{made('certificate')} || has(self.rotation.lifetime)",
        "must be set for a certificate, which is valid for so long",
        field=".rotation.lifetime",
    ),
    Rule(
        "spec",
        f"!{made('certificate')} || !has(self.rotation.lifetime)"
        f" || !self.generate.certificate.caLifetime.matches('{duration.PATTERN}')"
        f" || !self.rotation.lifetime.matches('{duration.PATTERN}')"
        " || duration(self.generate.certificate.caLifetime) >= duration(self.rotation.lifetime)",
        "must not be less than `rotation.lifetime` (default 8760h: set it longer)",
        field=".generate.certificate.caLifetime",
    ),
)
