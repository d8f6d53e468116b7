"""The CEL rules about the use of old versions: one who is asked, and can tell, and a time that can pass."""

from typing import Final

from rekey.app.crd_rule import Rule, between, delivered, one_of, whole

USAGE_RULES: Final = (
    one_of("spec.usage", ("prometheus", "backend")),
    Rule(
        "spec",
        f"!has(self.usage) || !has(self.usage.backend) || {delivered('awsAccessKey')}",
        "must not be set but with `provider.awsAccessKey`: no other backend tells when a version was last used",
        field=".usage.backend",
    ),
    Rule(
        "spec.usage",
        f"!has(self.backend) || !({whole('self.quiet')}) || duration(self.quiet) >= duration('6h')",
        "must be at least 6h with `backend`, which may tell of a use four hours later: set it, such as `quiet: 24h`",
        field=".quiet",
    ),
    between("spec.usage.quiet", "1m", "720h"),
    Rule(
        "spec.usage.prometheus.query",
        "self.contains('${version}') && self.contains('${quiet}')",
        "must name `${version}` and `${quiet}`: it is asked whether that version was used for that long",
    ),
    Rule(
        "spec",
        f"!has(self.usage) || !({whole('self.usage.quiet', 'self.overlap.deadline')})"
        " || duration(self.usage.quiet) < duration(self.overlap.deadline)",
        "must be less than `overlap.deadline`: it could not pass before (default 72h: set that longer)",
        field=".usage.quiet",
    ),
    Rule(
        "spec",
        "!has(self.usage) || !has(self.rotation.interval)"
        f" || !({whole('self.usage.quiet', 'self.rotation.interval')})"
        " || duration(self.usage.quiet) < duration(self.rotation.interval)",
        "must be less than `rotation.interval`: the next rotation waits until the old version is gone",
        field=".usage.quiet",
    ),
)
