"""Stories of trouble: drift, lost values, squatted names, failures, deletions; no stranger's Secret is touched."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rekey.core.material import Material
from rekey.core.status import Cause
from tests.engine.scenarios import JOBS, WEB, spec
from tests.engine.telling import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    bare,
    condition,
    heard,
    settled,
    states,
    triggered,
    values,
    verdict,
)
from tests.sim.cluster import Workload
from tests.sim.world import World

MOVED = {1: "Retiring", 2: "Active"}
DONE = {1: "Revoked", 2: "Active"}
BACK = {1: "Active", 2: "Discarded"}
TEMPLATE = {"template": {"data": {"app.env": "KEY=${token}"}}}


def squat(world: World, name: str, **content: bytes) -> None:
    """Put a stranger's Secret there, and watch that nobody touches it."""
    world.promises.strangers[name] = world.put(name, content or {"token": b"a stranger's"})


def edited(world: World) -> None:
    """Somebody writes into the bundle."""
    world.edit("api", token=b"tampered", extra=b"mine")


def version_deleted(world: World) -> None:
    """Somebody deletes the Secret of version 1."""
    del world.secrets["api-v1"]


def bundle_deleted(world: World) -> None:
    """Somebody deletes the bundle."""
    del world.secrets["api"]


DRIFTS = {
    "a bundle that somebody edits": edited,
    "a bundle that somebody deletes": bundle_deleted,
    "a version Secret that somebody deletes": version_deleted,
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_drift_restores_the_value(drift: str) -> None:
    """The same bytes are there again; no version is made and nothing restarts, and it is said once."""
    web = Workload("web", "api")
    wish: dict[str, Any] = {"consumers": [WEB], "target": TEMPLATE}
    world = settled(web, **wish)
    before = values(world), values(world, "api-v1")
    DRIFTS[drift](world)
    world.inspect("api")
    for _ in range(3):
        world.run(HOUR)
        world.inspect("api")
    assert values(world).pop("extra", b"mine") == b"mine", "what is not ours is left alone"
    assert {key: text for key, text in values(world).items() if key != "extra"} == before[0]
    assert values(world, "api-v1") == before[1]
    assert world.secrets["api-v1"].immutable
    assert states(world) == {1: "Active"}
    assert web.restarts == []
    assert heard(world, "DriftRepaired", "Issued") == {"DriftRepaired": 1, "Issued": 1}


def test_drift_in_the_middle_of_an_overlap_restores_both_versions() -> None:
    """The bundle shows current and previous again, and the rotation goes on to its end."""
    world = settled()
    triggered(world)
    before = values(world)
    assert "previous.token" in before
    del world.secrets["api"]
    world.inspect("api")
    assert values(world) == before
    del world.secrets["api-v1"]
    world.inspect("api")
    assert values(world, "api-v1")["token"] == before["previous.token"]
    world.run(HOUR)
    assert states(world) == DONE


@pytest.mark.parametrize("when", ["in peace", "in the middle of a rotation"])
def test_a_value_of_which_no_copy_is_left_is_made_anew(when: str) -> None:
    """Bundle and version Secret are gone: a new version follows, whoever uses it is moved, and nothing is left over."""
    web = Workload("web", "api")
    world = settled(web, consumers=[WEB])
    lost = 1
    if when != "in peace":
        triggered(world, lasts=7 * SECOND, consumers=[WEB])
        assert states(world) == MOVED
        lost = 2
    world.promises.excused = True
    del world.secrets["api"], world.secrets[f"api-v{lost}"]
    while world.reconcile("api", check=True) is None:
        pass
    rotation = world.credentials["api"].status.rotation
    assert rotation is not None
    assert (rotation.cause, rotation.number) == (Cause.VALUE_LOST, lost + 1)
    world.run(2 * DAY)
    assert states(world)[lost + 1] == "Active"
    assert {state for number, state in states(world).items() if number <= lost} == {"Revoked"}
    assert web.template == {"api": str(lost + 1)}
    assert heard(world, "ValueLost") == {"ValueLost": 1}
    assert values(world)["token"] == values(world, f"api-v{lost + 1}")["token"]


def test_a_version_name_that_a_stranger_holds_is_skipped() -> None:
    """Numbers 2 and 3 are taken: the next version is 4, and their Secrets stay as they are."""
    world = settled()
    squat(world, "api-v2")
    squat(world, "api-v3")
    triggered(world, lasts=HOUR)
    assert states(world) == {1: "Revoked", 4: "Active"}


def test_a_bundle_name_that_a_stranger_holds_stops_everything() -> None:
    """Nothing is created or touched; the conditions say so; when it is gone the credential begins."""
    world = World()
    squat(world, "api")
    world.apply("api", spec())
    world.run(DAY)
    assert set(world.secrets) == {"api"}
    assert verdict(world, "Stalled") == ("True", "NameTaken")
    assert verdict(world, "Ready") == ("False", "NameTaken")
    assert "target.adopt: Unowned" in condition(world, "Stalled").message
    assert heard(world, "Stalled") == {"Stalled": 1}
    del world.secrets["api"], world.promises.strangers["api"]
    world.inspect("api")
    assert states(world) == {1: "Active"}
    assert verdict(world, "Stalled") == ("False", "None")


def test_a_bundle_that_is_replaced_by_a_stranger_stops_the_next_rotation() -> None:
    """The credential had worked; a stranger's Secret in its place is reported and never written."""
    world = settled()
    world.promises.excused = True
    del world.secrets["api"]
    squat(world, "api", token=b"theirs", version=b"77")
    world.inspect("api")
    assert verdict(world, "Stalled") == ("True", "NameTaken")
    world.promises.excused = True
    triggered(world, lasts=DAY)
    assert verdict(world, "Stalled") == ("True", "NameTaken")


def test_in_a_namespace_that_ends_nothing_is_created() -> None:
    """No Secret appears and nothing is stalled; the deletion that follows goes through."""
    world = World()
    world.terminating = True
    world.apply("api", spec(deletionPolicy="Revoke"))
    world.run(MINUTE)
    assert world.secrets == {}
    assert verdict(world, "Ready") == ("False", "NamespaceTerminating")
    assert verdict(world, "Stalled")[0] == "False"
    world.delete("api")
    world.run(MINUTE)
    assert world.credentials == {}


def test_a_credential_that_is_retained_can_be_taken_over() -> None:
    """Deleted under Retain and made again with `adopt: Unowned`: the same values and numbers, then it rotates on."""
    web = Workload("web", "api")
    world = settled(web, consumers=[WEB])
    triggered(world, lasts=HOUR, consumers=[WEB])
    before = values(world)
    world.delete("api")
    world.run(HOUR)
    assert world.credentials == {}
    assert {view.owner for view in world.secrets.values()} == {None}
    assert values(world) == before
    adopting = {"consumers": [WEB], "target": {"adopt": "Unowned"}}
    world.apply("api", spec("a", **adopting))
    world.run(HOUR)
    assert states(world) == {2: "Active"}
    assert world.said().count("Issued") == 1, "nothing was issued again"
    assert values(world) == before
    assert {view.owner for view in world.secrets.values()} == {world.credentials["api"].uid}
    triggered(world, "b", HOUR, **adopting)
    assert states(world) == {2: "Revoked", 3: "Active"}
    assert web.restarts == ["2", "3"]


def test_a_credential_that_is_deleted_while_its_consumers_move() -> None:
    """Under Retain both versions stay, so that nobody is locked out; under Revoke everything goes."""
    for policy, left in (("Retain", {"api", "api-v1", "api-v2"}), ("Revoke", set())):
        wish: dict[str, Any] = {"consumers": [WEB], "deletionPolicy": policy}
        world = settled(Workload("web", "api"), **wish)
        triggered(world, lasts=8 * SECOND, **wish)
        world.delete("api")
        world.run(HOUR)
        assert world.credentials == {}
        assert set(world.secrets) == left


def test_a_value_that_is_not_stored_as_it_was_sent_is_never_shown() -> None:
    """Somebody's webhook rewrites Secrets: the version is taken back at once and a person is asked."""
    world = World()
    world.webhook = lambda material: Material({key: text + b"!" for key, text in material.reveal().items()})
    world.apply("api", spec())
    world.run(HOUR)
    assert world.secrets == {}
    assert verdict(world, "Stalled") == ("True", "BackendRefused")
    world.webhook = lambda material: material
    world.inspect("api")
    assert states(world) == {1: "Active"}


@pytest.mark.parametrize("policy", ["Retain", "Revoke"])
def test_a_deletion_touches_nothing_of_a_strangers(policy: str) -> None:
    """A Secret that only has the name of our next version stays as it is, and so does a bundle that was replaced."""
    world = settled(deletionPolicy=policy)
    squat(world, "api-v2")
    world.promises.excused = True
    del world.secrets["api"]
    squat(world, "api")
    world.delete("api")
    world.run(HOUR)
    assert world.credentials == {}
    assert set(world.secrets) == {"api", "api-v2"} | ({"api-v1"} if policy == "Retain" else set())


def test_a_failed_rollout_under_hold_recovers_when_the_consumer_does() -> None:
    """Both versions stay and a person is asked; once the pods get ready the rotation goes on, restarting nobody."""
    wish: dict[str, Any] = {"consumers": [WEB], "rollout": {"onFailure": "Hold"}}
    web = Workload("web", "api", fails_on=frozenset({"2"}))
    world = settled(web, **wish)
    triggered(world, lasts=DAY, **wish)
    assert states(world) == MOVED
    assert verdict(world, "Stalled") == ("True", "RolloutFailed")
    assert verdict(world, "Ready")[0] == "True"
    web.fails_on = frozenset()
    for pod in web.pods:
        pod.ready_at = pod.ready_at or world.time
    world.run(HOUR)
    assert states(world) == DONE
    assert web.restarts == ["2"]
    assert verdict(world, "Stalled") == ("False", "None")
    assert heard(world, "RolloutFailed", "RolledBack") == {"RolloutFailed": 1, "RolledBack": 0}


def test_a_rollback_is_exact_for_every_consumer() -> None:
    """The first had moved and goes back to what it said before; the second never moved and is not touched."""
    canary, broken = Workload("web", "api"), Workload("jobs", "api", fails_on=frozenset({"3"}))
    both = {"consumers": [WEB, JOBS]}
    world = settled(canary, broken, **both)
    triggered(world, "a", HOUR, **both)
    before = values(world)
    triggered(world, "b", HOUR, **both)
    assert canary.restarts == ["2", "3", "2"]
    assert broken.restarts == ["2", "3", "2"]
    assert canary.template == broken.template == {"api": "2"}
    assert states(world) == {1: "Revoked", 2: "Active", 3: "Discarded"}
    assert values(world) == before


def test_a_failed_rollout_is_tried_again_later_each_time() -> None:
    """After a failure by schedule the next attempts come after 1, 2, 4, … hours; a success ends the series."""
    web = Workload("web", "api", fails_on=frozenset({"2", "3"}))
    daily = {"consumers": [WEB], "rotation": {"interval": "24h", "jitterPercent": 0}}
    world = settled(web, **daily)
    world.run(24 * HOUR)
    assert states(world) == BACK
    assert verdict(world, "Stalled") == ("True", "RolloutFailed")
    world.run(5 * HOUR)
    assert web.restarts == ["2", None, "3", None, "4"]
    assert states(world) == {1: "Revoked", 2: "Discarded", 3: "Discarded", 4: "Active"}
    assert verdict(world, "Stalled") == ("False", "None")


def test_a_pod_of_the_failed_version_keeps_it_alive() -> None:
    """A bare pod started while version 2 was current: version 2 is discarded only when that pod has ended."""
    web = Workload("web", "api", fails_on=frozenset({"2"}))
    world = settled(web, consumers=[WEB])
    triggered(world, consumers=[WEB])
    tool = bare(world)
    world.run(5 * HOUR)
    assert states(world) == {1: "Active", 2: "Retiring"}
    tool.ends = world.time
    world.run(HOUR)
    assert states(world) == BACK


def test_a_faulty_spec_does_not_stop_what_is_under_way() -> None:
    """The overlap ends and version 1 goes although the spec asks for a day that never comes; no rotation begins."""
    world = settled()
    triggered(world)
    world.apply("api", spec(rotation={"schedule": "0 0 31 6 *", "jitterPercent": 0, "trigger": "b"}))
    world.run(2 * DAY)
    assert states(world) == DONE
    assert verdict(world, "Stalled") == ("True", "InvalidSpec")
    assert verdict(world, "Ready")[0] == "True"


def test_nothing_is_written_in_peace() -> None:
    """A settled credential costs no write and no Event in a week of restarts and checks."""
    world = settled(Workload("web", "api"), consumers=[WEB])
    writes, said = world.writes.copy(), world.said()
    for _ in range(7):
        world.restart(DAY)
        world.run(HOUR)
        world.inspect("api")
    assert world.writes == writes
    assert world.said() == said


def test_a_lost_status_in_peace() -> None:
    """Without a status, and without asking to adopt anything: the same version, and the next number follows."""
    web = Workload("web", "api")
    world = settled(web, consumers=[WEB])
    triggered(world, lasts=HOUR, consumers=[WEB])
    before = values(world)
    world.lose_status("api")
    world.run(HOUR)
    assert states(world) == {2: "Active"}
    assert values(world) == before
    assert heard(world, "LedgerRebuilt", "Issued") == {"LedgerRebuilt": 1, "Issued": 1}
    triggered(world, "b", HOUR, consumers=[WEB])
    assert states(world) == {2: "Revoked", 3: "Active"}
    assert web.restarts == ["2", "3"]


def test_a_status_that_is_lost_before_anybody_was_moved() -> None:
    """The ledger is rebuilt with both versions and saved before the consumer is restarted, once."""
    web = Workload("web", "api")
    world = settled(web, consumers=[WEB])
    triggered(world, lasts=3 * SECOND, consumers=[WEB])
    assert (states(world), web.restarts) == (MOVED, [])
    world.lose_status("api")
    world.restart(MINUTE)
    world.run(HOUR)
    assert states(world) == DONE
    assert web.restarts == ["2"]


def test_a_template_that_changes_is_rendered_without_a_rotation() -> None:
    """The bundle gets its new key and loses the old one; no version is made, nothing restarts, nobody cries drift."""
    web = Workload("web", "api")
    world = settled(web, consumers=[WEB], target=TEMPLATE)
    token = values(world)["token"]
    world.apply("api", spec(consumers=[WEB], target={"template": {"data": {"url": "x:${token}"}}}))
    world.run(timedelta(minutes=1))
    assert values(world) == {"token": token, "version": b"1", "url": b"x:" + token}
    assert (states(world), web.restarts) == ({1: "Active"}, [])
    assert heard(world, "DriftRepaired") == {"DriftRepaired": 0}
