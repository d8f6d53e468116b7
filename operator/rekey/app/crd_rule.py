"""One CEL rule of the CRD, as the tables of rules hold it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition on the part of the resource at `at` (`[]` stands for the items of a list)."""

    at: str
    rule: str
    message: str
    field: str | None = None
