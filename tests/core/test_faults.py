"""What is wrong with a spec, in words for the person who wrote it."""

from typing import Any

import pytest
from pydantic import ValidationError

from rekey.core import faults
from rekey.core.spec import RotatedCredentialSpec

GOOD: dict[str, Any] = {"generate": {"token": {}}, "rotation": {"interval": "720h"}}
DAYS = "'30d' is not a duration: write whole numbers with the units h, m, s or ms"
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a field that is not known": ({"sespend": True}, "spec.sespend: unknown field"),
    "a field that is missing": ({"rotation": None}, "spec.rotation: must be an object"),
    "days": ({"rotation": {"interval": "30d"}}, f"spec.rotation.interval: {DAYS}"),
    "one of a list": (
        {"consumers": [{"kind": "Deploymint", "name": "a"}]},
        "spec.consumers[0].kind: must be one of Deployment, StatefulSet, DaemonSet, Job, CronJob",
    ),
    "no truth": ({"suspend": "perhaps"}, "spec.suspend: must be true or false"),
    "no number": ({"revisionHistoryLimit": "x"}, "spec.revisionHistoryLimit: must be a whole number"),
    "too many": ({"revisionHistoryLimit": 1000}, "spec.revisionHistoryLimit: must be at most"),
    "no list": ({"consumers": "x"}, "spec.consumers: must be a list"),
    "no text": ({"rotation": {"interval": "720h", "trigger": 1}}, "spec.rotation.trigger: must be a text"),
}
JARGON = ("Value error", "Input should", "Extra inputs", "not permitted", "pydantic")


@pytest.mark.parametrize("name", FAULTS)
def test_mistakes_are_told_in_words(name: str) -> None:
    """Path and sentence are these, and no word is the parser's own."""
    change, wanted = FAULTS[name]
    with pytest.raises(ValidationError) as caught:
        RotatedCredentialSpec.model_validate({**GOOD, **change})
    found = caught.value.errors(include_url=False, include_input=False)[0]
    said = f"{faults.path('spec', found)}: {faults.message(found)}"
    assert said.startswith(wanted)
    assert not [word for word in JARGON if word in said]
