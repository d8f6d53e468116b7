"""Settings of a command from its variables and flags, and what a person reads when one of them cannot be used.

Kubernetes gives every pod variables about the Services of its namespace, and one may be called rekey: those are not
ours, every other unknown name is a mistake.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from rekey.core import faults
from rekey.errors import RekeyError

_SERVICE_LINK: Final = re.compile(
    r".*_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_.*)?)?)|PORT(_.*)?"
)
_Model = TypeVar("_Model", bound=BaseModel)


class BadSettings(RekeyError):
    """Tell the person who started us which setting cannot be used, and why."""


def validated(
    model: type[_Model],
    prefix: str,
    flags: Mapping[str, Any],
    around: Mapping[str, str],
    defaults: Mapping[str, str] | None = None,
) -> _Model:
    """Return the settings of one command, whose variables begin with the prefix.

    Raises:
        BadSettings: one of them cannot be used, or there is none of that name.
    """
    variables = {
        name.removeprefix(prefix).lower(): value
        for name, value in around.items()
        if name.startswith(prefix) and not _is_service_link(model, name.removeprefix(prefix), value)
    }
    given = {name: value for name, value in flags.items() if value not in (None, (), [])}
    try:
        return model.model_validate({**(defaults or {}), **variables, **given})
    except ValidationError as error:
        raise BadSettings(_explained(error, prefix, given)) from None


def table(defaults: BaseModel, prefix: str) -> list[tuple[str, str, str]]:
    """Return variable, default and meaning of every setting of a command, for the docs."""
    plain = defaults.model_dump(mode="json")
    rows = []
    for name, field in type(defaults).model_fields.items():
        default = "" if plain[name] == [] else str(plain[name])
        shown = default.lower() if isinstance(plain[name], bool) else default
        rows.append((f"{prefix}{name.upper()}", shown, field.description or ""))
    return rows


def _is_service_link(model: type[BaseModel], name: str, value: str) -> bool:
    return value.startswith("tcp://") or (
        name.lower() not in model.model_fields and bool(_SERVICE_LINK.fullmatch(f"_{name}"))
    )


def _explained(error: ValidationError, prefix: str, given: Mapping[str, Any]) -> str:
    lines = []
    for fault in error.errors(include_url=False):
        if not fault["loc"]:  # about several of them: it names them itself
            lines.append(faults.message(fault))
            continue
        name = str(fault["loc"][0])
        source = f"--{name.replace('_', '-')}" if name in given else f"{prefix}{name.upper()}"
        unknown = fault["type"] == "extra_forbidden"
        lines.append(f"{source}: {'there is no such setting' if unknown else faults.message(fault)}")
    return "; ".join(lines)
