"""What the API server judges beyond the shape of a single field: the CEL rules of the CRD, one table.

1. Every rule names the field that a person should change: by the place it stands at, or by `field` below it.
2. A rule about durations asks `matches` before `duration()`: else one bad field hides the real message.
3. Messages say what must be; they follow the path in the API server's answer.
"""

from typing import Final

from rekey.app import crd_entropy
from rekey.app.crd_key_rules import KEY_RULES
from rekey.app.crd_provide_rules import PROVIDE_RULES
from rekey.app.crd_rule import Rule, between, one_of, same_of, whole
from rekey.app.crd_template_rules import MALFORMED, TEMPLATE_RULES
from rekey.app.crd_usage_rules import USAGE_RULES
from rekey.app.crd_validation_rules import VALIDATION_RULES
from rekey.app.crd_verifier_rules import VERIFIER_RULES
from rekey.core.spec_generate import KEYS


def selecting(at: str, why: str) -> tuple[Rule, ...]:
    """Return the rules of a selector of labels at that place; `why` it must not be empty."""
    return (
        Rule(
            at,
            "self.?matchLabels.orValue({}).size() + self.?matchExpressions.orValue([]).size() > 0",
            f"must not be empty: {why}",
        ),
        Rule(f"{at}.matchLabels", f"self.all(key, !({MALFORMED}))", "must have valid keys of labels"),
        Rule(
            f"{at}.matchExpressions[]",
            "(self.operator in ['In', 'NotIn']) == (self.?values.orValue([]).size() > 0)",
            "must be set with `In` and `NotIn`, and only with these",
            field=".values",
        ),
    )


_NAMES: Final = (
    Rule(
        "",
        "(has(self.spec.target.secretName) ? self.spec.target.secretName : self.metadata.name)"
        " == (has(oldSelf.spec.target.secretName) ? oldSelf.spec.target.secretName : oldSelf.metadata.name)",
        "is immutable: consumers read that Secret; make another RotatedCredential for another name",
        field=".spec.target.secretName",
    ),
    Rule("spec.target.type", "self == oldSelf", "is immutable: Kubernetes never changes the type of a Secret"),
)

_GENERATE: Final = (
    one_of("spec.generate", KEYS),
    same_of(
        "spec.generate",
        KEYS,
        "cannot change its kind: consumers read another key; make another RotatedCredential instead",
    ),
    Rule(
        "spec.generate.password",
        crd_entropy.EVERY_CLASS_KEEPS_ONE,
        "must leave at least one character of each class",
        field=".exclude",
    ),
    Rule(
        "spec.generate.password",
        crd_entropy.ENOUGH,
        "must be longer: from the characters that are left it gives less than 128 bits",
        field=".length",
    ),
    Rule(
        "spec.generate.token.metadata",
        "self.all(key, key.matches('^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",
        "must have keys of at most 63 letters, digits, dashes, dots and underscores",
    ),
)

_TIME: Final = (
    between("spec.rotation.interval", "1s", "87600h"),
    between("spec.rotation.lifetime", "1s", "175200h"),
    between("spec.generate.certificate.caLifetime", "1s", "219000h"),
    between("spec.rotation.windows[].duration", "1s", "168h"),
    between("spec.rotation.urgentBefore", "0s", "8760h"),
    between("spec.overlap.propagation", "0s", "24h"),
    between("spec.overlap.deadline", "1s", "8760h"),
    between("spec.rollout.progressDeadline", "1s", "24h"),
    between("spec.validation.settle", "0s", "24h"),
    Rule(
        "spec.rotation",
        "!has(self.timeZone) || has(self.schedule)",
        "must be set only with `schedule`; each window has a `timeZone` of its own",
        field=".timeZone",
    ),
    Rule(
        "spec.rotation",
        "self.?windows.orValue([]).size() == 0 || !has(self.interval)"
        f" || !({whole('self.interval', 'self.urgentBefore')})"
        " || duration(self.urgentBefore) < duration(self.interval)",
        "must be less than `interval` when there are windows: otherwise no window would ever count"
        " (default 24h: set it shorter)",
        field=".urgentBefore",
    ),
    Rule(
        "spec.overlap",
        f"!({whole('self.duration', 'self.propagation', 'self.deadline')})"
        " || duration(self.deadline) > duration(self.propagation) + duration(self.duration)",
        "must be greater than `duration` and `propagation` together (default 72h: set it longer)",
        field=".deadline",
    ),
    Rule(
        "spec",
        "!has(self.rotation.interval)"
        f" || !({whole('self.rotation.interval', 'self.overlap.duration', 'self.overlap.propagation')})"
        " || duration(self.overlap.propagation) + duration(self.overlap.duration)"
        " < duration(self.rotation.interval)",
        "must, with `overlap.propagation`, be less than `rotation.interval` (default 1h: set it shorter)",
        field=".overlap.duration",
    ),
    Rule(
        "spec",
        "!has(self.rotation.lifetime) || !has(self.rotation.interval)"
        f" || !({whole('self.rotation.lifetime', 'self.rotation.interval', 'self.overlap.duration')})"
        " || duration(self.rotation.lifetime) > duration(self.rotation.interval) + duration(self.overlap.duration)",
        "must be greater than `interval` and `overlap.duration` together: a version expires after its successor took"
        " over, and not in the overlap",
        field=".rotation.lifetime",
    ),
    Rule(
        "spec",
        f"self.?consumers.orValue([]).size() == 0 || !({whole('self.overlap.duration')})"
        " || duration(self.overlap.duration) > duration('0s')",
        "must be greater than 0s when there are consumers: they cannot all change at one instant",
        field=".overlap.duration",
    ),
)

_CONSUMERS: Final = (
    Rule(
        "spec.consumers",
        "self.all(one, !has(one.name) || self.exists_one(other,"
        " other.kind == one.kind && has(other.name) && other.name == one.name))",
        "must name each workload once",
    ),
    Rule(
        "spec.consumers[]",
        "has(self.name) != has(self.selector)",
        "must have exactly one of `name` and `selector`",
    ),
    Rule(
        "spec.consumers[]",
        "!(self.kind in ['Job', 'CronJob']) || self.refresh == 'None'",
        "must be `None` for a Job or a CronJob: their pods are never restarted",
        field=".refresh",
    ),
    *selecting("spec.consumers[].selector", "it would choose every workload of the namespace"),
)

_HEALTH: Final = (
    Rule(
        "",
        "self.spec.?validation.?after.orValue('') != self.metadata.name",
        "must be another RotatedCredential: this one cannot wait for itself",
        field=".spec.validation.after",
    ),
    Rule(
        "spec",
        "!has(self.rotation.interval) || !has(self.validation) || !has(self.validation.settle)"
        f" || !({whole('self.rotation.interval', 'self.overlap.duration', 'self.overlap.propagation')})"
        f" || !({whole('self.validation.settle')}) || duration(self.validation.settle)"
        " + duration(self.overlap.propagation) + duration(self.overlap.duration) < duration(self.rotation.interval)",
        "must, with `overlap.duration` and `overlap.propagation`, be less than `rotation.interval`",
        field=".validation.settle",
    ),
)

RULES: Final = (
    *(*_NAMES, *_GENERATE, *KEY_RULES, *_TIME, *_CONSUMERS, *_HEALTH, *TEMPLATE_RULES),
    *(*VERIFIER_RULES, *VALIDATION_RULES, *USAGE_RULES, *PROVIDE_RULES),
)
