"""Whether labels match a selector, as the API server would judge it."""

from __future__ import annotations

from collections.abc import Mapping

from rekey.core.spec_consumers import LabelRequirement, LabelSelector, Operator


def matches(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Say whether the labels match; an empty selector matches everything."""
    exact = all(labels.get(key) == value for key, value in selector.match_labels.items())
    return exact and all(_holds(item, labels) for item in selector.match_expressions)


def _holds(item: LabelRequirement, labels: Mapping[str, str]) -> bool:
    match item.operator:
        case Operator.IN:
            return labels.get(item.key) in item.values
        case Operator.NOT_IN:
            return labels.get(item.key) not in item.values
        case Operator.EXISTS:
            return item.key in labels
        case Operator.DOES_NOT_EXIST:
            return item.key not in labels
