"""How a status is changed: versions are merged by their numbers, and the rotation is somewhere else."""

from __future__ import annotations

from rekey.core.status import Rotation, Status, Step, Version


def put(status: Status, *changed: Version, **fields: object) -> Status:
    """Return the status with these versions in the place of those of the same numbers, and with these fields."""
    merged = {version.number: version for version in status.versions} | {version.number: version for version in changed}
    return status.model_copy(update={"versions": tuple(merged[number] for number in sorted(merged)), **fields})


def at(status: Status, step: Step, **fields: object) -> Rotation | None:
    """Return the rotation at that step; None if none is under way."""
    return status.rotation and status.rotation.model_copy(update={"step": step, **fields})
