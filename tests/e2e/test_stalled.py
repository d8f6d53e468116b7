"""What only the operator can judge stops a credential before any effect, names the field, and stops no other."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.e2e.manifests import Manifest, credential
from tests.e2e.stage import Stage

pytestmark = pytest.mark.kube


def secret(name: str, **data: str) -> Manifest:
    """Return a Secret that somebody made by hand."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def schedule(text: str, **more: str) -> Manifest:
    """Return a rotation by cron; the base's interval and jitter are taken out."""
    return {"interval": None, "schedule": text, **more}


@dataclass(frozen=True)
class Bad:
    """A spec, what the condition says of it, and what mends it."""

    spec: Manifest
    says: str
    mend: Manifest
    reason: str = "InvalidSpec"
    before: Callable[[str], list[Manifest]] = lambda _: []
    keeps: tuple[str, ...] = field(default=())


SPECS = {
    "never": Bad(
        {"rotation": schedule("0 0 30 2 *")},
        "spec.rotation.schedule: ",
        {"rotation": {"schedule": "0 0 28 2 *"}},
    ),
    "no-such-zone": Bad(
        {"rotation": schedule("0 3 * * *", timeZone="Mars/Olympus_Mons")},
        "spec.rotation.timeZone: there is no time zone 'Mars/Olympus_Mons'",
        {"rotation": {"timeZone": "Europe/Berlin"}},
    ),
    "too-long": Bad(
        {"rotation": schedule("*/5 * * * *"), "overlap": {"duration": "10m"}},
        "spec.overlap.duration: ",
        {"overlap": {"duration": "1m"}},
    ),
    "squatted": Bad(
        {},
        "Secret squatted exists and is not ours",
        {"target": {"adopt": "Unowned"}},
        reason="NameTaken",
        before=lambda name: [secret(name, token="typed-by-hand")],
        keeps=("squatted",),
    ),
}


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_that_cannot_be_carried_out_stalls(stage: Stage, name: str) -> None:
    """The field is named, no Secret is made, another credential goes on, and a mended spec recovers."""
    bad, other = SPECS[name], f"{name}-neighbour"
    stage.apply(*bad.before(name), _pruned(credential(name, **bad.spec)), credential(other))
    message = stage.until_condition(name, "Stalled", "True", bad.reason)
    stage.until_states(other, {1: "Active"})

    assert bad.says in message
    assert stage.condition(name, "Ready")[:2] == ("False", bad.reason)
    assert {
        item["metadata"]["name"] for item in stage.all("secrets") if item["metadata"]["name"] in {name, f"{name}-v1"}
    } == set(bad.keeps)
    assert stage.states(name) == {}
    stage.until_events(name, ["Stalled"])

    stage.change(name, **bad.mend)
    stage.until_states(name, {1: "Active"})
    stage.until_condition(name, "Stalled", "False", "None")
    assert stage.condition(name, "Ready")[0] == "True"


def _pruned(manifest: Manifest) -> Manifest:
    """Return the manifest without what is None."""
    rotation = manifest["spec"]["rotation"]
    manifest["spec"]["rotation"] = {key: value for key, value in rotation.items() if value is not None}
    return manifest


def test_two_credentials_with_one_secret(stage: Stage) -> None:
    """The older one keeps the name; the younger one stalls, and is let in when the older one is gone."""
    stage.apply(credential("elder", target={"secretName": "one"}, deletionPolicy="Revoke"))
    stage.until_states("elder", {1: "Active"})
    before = stage.held("one")
    stage.apply(credential("younger", target={"secretName": "one"}))
    message = stage.until_condition("younger", "Stalled", "True", "InvalidSpec")
    assert message == "spec.target.secretName: one is already used by RotatedCredential elder"
    assert stage.held("one") == before
    assert stage.states("younger") == {}

    stage.kubectl("delete", "rcred", "elder")
    stage.until_states("younger", {1: "Active"})
    assert stage.held("one")["token"] != before["token"]


def test_the_name_of_a_version_is_taken(stage: Stage) -> None:
    """A stranger's Secret with the name of a version is left alone, and its number is skipped."""
    stage.apply(secret("skipping-v1", token="not-ours"), credential("skipping"))
    stage.until_states("skipping", {2: "Active"})
    assert stage.held("skipping-v1") == {"token": b"not-ours"}
    assert stage.held("skipping")["version"] == b"2"


def test_a_spec_that_becomes_bad_stops_the_next_rotation_only(stage: Stage) -> None:
    """What is under way is finished; then the credential stalls, keeps its value and stays Ready."""
    stage.apply(_pruned(credential("spoilt", rotation=schedule("0 3 * * *"), overlap={"duration": "3s"})))
    stage.until_states("spoilt", {1: "Active"})
    patch = {"spec": {"rotation": {"trigger": "a"}}}
    stage.kubectl("patch", "rcred", "spoilt", "--type=merge", "-p", json.dumps(patch))
    stage.until(lambda: stage.states("spoilt") == {1: "Retiring", 2: "Active"}, "version 2")
    stage.change("spoilt", rotation={"timeZone": "Nowhere/At_All", "trigger": "b"})
    stage.until_states("spoilt", {1: "Revoked", 2: "Active"})
    stage.until_condition("spoilt", "Stalled", "True", "InvalidSpec")
    assert stage.condition("spoilt", "Ready")[0] == "True"
    assert stage.held("spoilt")["token"] == stage.held("spoilt-v2")["token"]
