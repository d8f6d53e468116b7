"""The CEL rules about what is rendered into the Secret: keys, placeholders, labels and annotations.

1. A GitOps tool prunes what carries its keys, a controller acts on what carries its own: both are refused.
2. A placeholder that nobody fills is refused, so that no application ever reads `${tokne}`.
"""

from collections.abc import Callable
from typing import Final

from rekey.app.crd_rule import Rule, delivered, made
from rekey.core.spec_generate import KEYS
from rekey.core.spec_provide import KINDS

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
DELIVERED: Final = KEYS | {name: kind.keys for name, kind in KINDS.items()}
_MERGES: Final = "(!has(self.target.template) || self.target.template.mergePolicy == 'Merge')"


def _no_key(at: str, refused: str, message: str) -> Rule:
    """Return the rule that no key of the map is such."""
    return Rule(at, f"self.all(key, !({refused}))", message)


def _by_kind(asked: Callable[[tuple[str, ...]], str]) -> str:
    """Return the condition that what is asked is so of the keys of the kind that is delivered.

    The API server prices a choice by its dearest branch, and a conjunction by the sum of all.
    """
    branches = [f"{delivered(kind)} ? {asked(keys)} : " for kind, keys in DELIVERED.items()]
    return f"({''.join(branches)}true)"


def _filled(keys: tuple[str, ...]) -> str:
    """Return the condition that a template holds only placeholders that are filled, where these are the keys."""
    own = "|".join(key.replace(".", "[.]") for key in keys)
    known = f"[{{]((previous[.])?({own})|version)[}}]"
    return f"{_DATA}.all(name, {_DATA}[name].matches('^([^$]|[$]+[^${{]|[$]+{known})*[$]*$'))"


def _apart(keys: tuple[str, ...]) -> str:
    """Return the condition that a template renders none of these keys."""
    return f"!{list(keys)}.exists(key, key in {_DATA})"


def _typed(name: str, kinds: tuple[str, ...], *keys: str) -> Rule:
    """Return the rule that a type of Secret has the keys that it needs, from one of the kinds or the template."""
    given = " && ".join([_HAS_DATA, *(f"'{key}' in {_DATA}" for key in keys)])
    one = "keys" if len(keys) > 1 else "key"
    named, it = " and ".join(f"`{key}`" for key in keys), "them" if len(keys) > 1 else "it"
    kind = kinds[0] if kinds else ""
    own = f" || (({' || '.join(map(delivered, kinds))}) && {_MERGES})" if kinds else ""
    how = f"generate a {kind} or add {it} to `template.data`" if kind else f"add {it} to `template.data`"
    return Rule(
        "spec",
        f"self.target.type != 'kubernetes.io/{name}' || ({given}){own}",
        f"needs the {one} {named}: {how}",
        field=".target.type",
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
        "key == 'version' || key.startsWith('previous.') || key.startsWith('issuer.')",
        "must not have the key `version` nor keys that begin with `previous.` or `issuer.`: they are reserved",
    ),
    # One rule for all kinds: what has no template is done with one look at it.
    Rule(
        "spec",
        f"!{_HAS_DATA} || {_by_kind(_filled)}",
        "must hold no placeholder but ${version}, ${<key>} and ${previous.<key>}, for the keys that the kind delivers"
        " (docs/kinds.md, docs/providers.md)",
        field=".target.template.data",
    ),
    Rule(
        "spec",
        f"!{_HAS_DATA} || !{_MERGES} || {_by_kind(_apart)}",
        "must not have a key that is delivered already: use `mergePolicy: Replace` for another",
        field=".target.template.data",
    ),
    Rule(
        "spec",
        f"!{made('hmacKey')} || self.generate.hmacKey.encoding != 'Raw'"
        f" || !{_HAS_DATA} || {_DATA}.all(name, !{_DATA}[name].matches('[$][{{](previous[.])?key[}}]'))",
        "must not hold the key itself with `encoding: Raw`: its bytes are no text",
        field=".target.template.data",
    ),
    _typed("basic-auth", ("password", "postgresql", "vaultKV", "vaultDatabase"), "password"),
    _typed("dockerconfigjson", (), ".dockerconfigjson"),
    _typed("tls", ("certificate", "vaultPKI"), "tls.crt", "tls.key"),
    _typed("ssh-auth", ("sshKey",), "ssh-privatekey"),
)
