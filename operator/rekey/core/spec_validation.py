"""How a rotation is checked: the part `spec.validation`."""

from rekey.core.spec_health import Health


class Validation(Health):
    """How a rotation is checked before it begins and before it counts as finished."""
