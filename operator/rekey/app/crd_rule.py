"""One CEL rule of the CRD, as the tables of rules hold it, and what rules about durations have in common."""

from collections.abc import Iterable
from dataclasses import dataclass

from rekey.core import duration
from rekey.core.spec_generate import KEYS


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition on the part of the resource at `at` (`[]` stands for the items of a list)."""

    at: str
    rule: str
    message: str
    field: str | None = None


def one_of(at: str, kinds: Iterable[str], message: str = "") -> Rule:
    """Return the rule that exactly one of these fields is set there."""
    names = tuple(kinds)
    text = message or f"must have exactly one of {', '.join(f'`{name}`' for name in names)}"
    return Rule(at, f"[{', '.join(f'has(self.{name})' for name in names)}].exists_one(kind, kind)", text)


def same_of(at: str, kinds: Iterable[str], message: str) -> Rule:
    """Return the rule that which of these fields are set there never changes."""
    return Rule(at, " && ".join(f"has(self.{kind}) == has(oldSelf.{kind})" for kind in kinds), message)


def made(kind: str) -> str:
    """Return the condition on a spec that Rekey itself makes what is delivered, of that kind."""
    return f"(has(self.generate) && has(self.generate.{kind}))"


def delivered(kind: str) -> str:
    """Return the condition on a spec that it delivers that kind, wherever it is made."""
    return made(kind) if kind in KEYS else f"(has(self.provider) && has(self.provider.{kind}))"


def whole(*texts: str) -> str:
    """Return the condition that all these texts are durations."""
    return " && ".join(f"{text}.matches('{duration.PATTERN}')" for text in texts)


def between(at: str, least: str, most: str) -> Rule:
    """Return the rule that the duration at that place is neither shorter nor longer."""
    bounds = f"duration(self) >= duration('{least}') && duration(self) <= duration('{most}')"
    return Rule(at, f"!({whole('self')}) || ({bounds})", f"must be from {least} to {most}")
