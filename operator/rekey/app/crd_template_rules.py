"""The CEL rules about what is rendered into the Secret: keys, placeholders, labels and annotations.

1. A GitOps tool prunes what carries its keys, a controller acts on what carries its own: both are refused.
2. A placeholder that nobody fills is refused, so that no application ever reads `${tokne}`.
"""

from typing import Final

from rekey.app.crd_rule import Rule
from rekey.core.spec_generate import KEYS

# Whose keys these are: Kubernetes, Rekey, Argo CD, Flux, Helm, kapp and Carvel, Rancher Fleet.
FOREIGN: Final = (
    *("kubernetes.io", "k8s.io", "rekey.dev", "argoproj.io", "fluxcd.io"),
    *("helm.sh", "k14s.io", "carvel.dev", "cattle.io"),
)
ALLOWED: Final = tuple(f"app.kubernetes.io/{name}" for name in ("name", "version", "component", "part-of"))

_DOMAINS: Final = "|".join(domain.replace(".", "[.]") for domain in FOREIGN)
_REFUSED: Final = f"(key.matches('^([-a-z0-9]+[.])*({_DOMAINS})/') && !(key in {list(ALLOWED)}))"
MALFORMED: Final = (
    "!key.matches('^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')"
)
_UNFIT: Final = "!key.matches('^[-._a-zA-Z0-9]{1,244}$') || key.startsWith('..') || key == '.'"
_DATA: Final = "self.target.template.data"
_HAS_DATA: Final = "(has(self.target.template) && has(self.target.template.data))"
_MERGES: Final = "(!has(self.target.template) || self.target.template.mergePolicy == 'Merge')"


def _no_key(at: str, refused: str, message: str) -> Rule:
    """Return the rule that no key of the map is such."""
    return Rule(at, f"self.all(key, !({refused}))", message)


def _placeholders(kind: str, key: str) -> Rule:
    """Return the rule that a template for that kind holds only placeholders that are filled."""
    known = f"[{{]((previous[.])?{key}|version)[}}]"
    return Rule(
        "spec",
        f"!has(self.generate.{kind}) || !{_HAS_DATA} || {_DATA}.all(name,"
        f" {_DATA}[name].matches('^([^$]|[$]+[^${{]|[$]+{known})*[$]*$'))",
        f"must hold no placeholder but ${{{key}}}, ${{previous.{key}}} and ${{version}}",
        field=".target.template.data",
    )


def _collision(kind: str, key: str) -> Rule:
    """Return the rule that rendered data does not replace the plain key of that kind."""
    return Rule(
        "spec",
        f"!(has(self.generate.{kind}) && {_MERGES} && {_HAS_DATA} && '{key}' in {_DATA})",
        f"must not have the key `{key}`, which is delivered already: use `mergePolicy: Replace` for another",
        field=".target.template.data",
    )


TEMPLATE_RULES: Final = (
    *(
        rule
        for part in ("labels", "annotations")
        for rule in (
            _no_key(
                f"spec.target.template.metadata.{part}",
                MALFORMED,
                f"must have valid keys of {part}",
            ),
            _no_key(
                f"spec.target.template.metadata.{part}",
                _REFUSED,
                "must not use keys of Kubernetes, of Rekey or of tools that own or prune what carries them",
            ),
        )
    ),
    Rule(
        "spec.target.template",
        "self.mergePolicy == 'Merge' || self.?data.orValue({}).size() > 0",
        "must have at least one key with `mergePolicy: Replace`: the Secret would be empty",
        field=".data",
    ),
    _no_key(
        "spec.target.template.data",
        _UNFIT,
        "must have keys of at most 244 letters, digits, dashes, dots and underscores",
    ),
    _no_key(
        "spec.target.template.data",
        "key == 'version' || key.startsWith('previous.')",
        "must not have the key `version` nor keys that begin with `previous.`: they are reserved",
    ),
    *(_placeholders(kind, key) for kind, key in KEYS.items()),
    *(_collision(kind, key) for kind, key in KEYS.items()),
    Rule(
        "spec",
        "!has(self.generate.hmacKey) || self.generate.hmacKey.encoding != 'Raw'"
        f" || !{_HAS_DATA} || {_DATA}.all(name, !{_DATA}[name].matches('[$][{{](previous[.])?key[}}]'))",
        "must not hold the key itself with `encoding: Raw`: its bytes are no text",
        field=".target.template.data",
    ),
    Rule(
        "spec",
        f"self.target.type != 'kubernetes.io/basic-auth' || ({_HAS_DATA} && 'password' in {_DATA})"
        f" || (has(self.generate.password) && {_MERGES})",
        "needs the key `password`: generate a password or add the key to `template.data`",
        field=".target.type",
    ),
    Rule(
        "spec",
        f"self.target.type != 'kubernetes.io/dockerconfigjson' || ({_HAS_DATA} && '.dockerconfigjson' in {_DATA})",
        "needs the key `.dockerconfigjson` in `template.data`",
        field=".target.type",
    ),
)
