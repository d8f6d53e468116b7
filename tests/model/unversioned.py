"""Writes without a resourceVersion, as the mutants of the fence make them: they apply to whatever is there.

The preconditions of the protocol itself stay, as in a model of it: a version moves along an edge of the table, and a
bundle never goes back to a lower number. Both could be said by an admission policy that looks at one object.
"""

from dataclasses import replace

from rekey.core.edges import EDGES
from rekey.core.facts import Credential
from rekey.core.status import Status, Version
from rekey.errors import Conflict
from rekey.ports.secrets import SecretChange, SecretView

STEPS = {(before, after) for (before, _), after in EDGES.items()}


def save(stored: Credential, look: Credential, wanted: Status) -> tuple[Credential, Status]:
    """Return the arguments of a save that patches what was decided to change, and nothing else."""
    if stored.uid != look.uid:
        return look, wanted
    ledger = {version.number: version for version in stored.status.versions}
    old = {version.number: version for version in look.status.versions}
    for version in wanted.versions:
        if old.get(version.number) != version:
            ledger[version.number] = _moved(ledger.get(version.number), version)
    for number in old.keys() - {version.number for version in wanted.versions}:
        ledger.pop(number, None)
    changed = {
        name: getattr(wanted, name)
        for name in type(wanted).model_fields
        if getattr(wanted, name) != getattr(look.status, name)
    }
    merged = stored.status.model_copy(
        update={**changed, "versions": tuple(ledger[number] for number in sorted(ledger))}
    )
    return replace(look, resource_version=stored.resource_version), merged


def _moved(there: Version | None, version: Version) -> Version:
    """Return the version after the move, if the table has it."""
    before = there.state if there else None
    later = {(None, after) for _, after in STEPS}
    if before is version.state or (before, version.state) in STEPS | later:
        return version
    raise Conflict(f"version {version.number} is {before} by now")


def change(stored: SecretView, wanted: SecretChange) -> SecretChange:
    """Return the change as it would apply now."""
    number, before = wanted.labels.get("rekey.dev/version"), stored.labels.get("rekey.dev/version")
    if number and before and int(number) < int(before):
        raise Conflict(f"{stored.name} shows version {before} by now")
    return replace(wanted, resource_version=stored.resource_version)
