"""Stories of those who use a credential: whoever can hold the old version keeps it, and nobody is restarted twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rekey.core.facts import How
from tests.engine.scenarios import HOT, JOBS, WEB, spec
from tests.engine.telling import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    bare,
    condition,
    consumer,
    heard,
    settled,
    states,
    triggered,
    verdict,
)
from tests.sim.cluster import Workload
from tests.sim.world import World

MOVED = {1: "Retiring", 2: "Active"}
DONE = {1: "Revoked", 2: "Active"}
SHORT = {"overlap": {"duration": "10s"}}
LONG = 3 * HOUR


def test_a_plain_volume_is_waited_for_and_never_restarted() -> None:
    """With `refresh: None` version 1 stays until the volume shows version 2 everywhere, whatever the overlap says."""
    hot = Workload("hot", "api", how=How.VOLUME)
    wish: dict[str, Any] = {"consumers": [HOT], **SHORT}
    world = settled(hot, **wish)
    triggered(world, lasts=110 * SECOND, **wish)
    assert states(world) == MOVED
    assert verdict(world, "ConsumersUpToDate") == ("False", "AwaitingRollout")
    world.run(MINUTE)
    assert states(world) == DONE
    assert hot.restarts == []


def test_an_undeclared_pod_keeps_the_version_that_it_read() -> None:
    """It is named in two conditions and two Events, is not restarted, and version 1 goes when it ends."""
    world = settled()
    tool = bare(world)
    world.run(SECOND)
    triggered(world, lasts=LONG)
    assert states(world) == MOVED
    assert verdict(world, "RevocationBlocked") == ("True", "HeldByPods")
    assert "pod tool (undeclared)" in condition(world, "RevocationBlocked").message
    assert verdict(world, "UndeclaredConsumers") == ("True", "UndeclaredPods")
    assert "tool" in condition(world, "UndeclaredConsumers").message
    assert verdict(world, "Ready")[0] == "True"
    tool.ends = world.time
    world.run(HOUR)
    assert states(world) == DONE
    assert verdict(world, "RevocationBlocked") == ("False", "None")
    assert heard(world, "RevocationBlocked", "UndeclaredConsumer", "Revoked") == {
        "RevocationBlocked": 1, "UndeclaredConsumer": 1, "Revoked": 1,
    }  # fmt: skip


def test_an_undeclared_pod_that_started_since_holds_nothing() -> None:
    """It is reported, but version 1 goes all the same."""
    world = settled()
    triggered(world)
    bare(world)
    world.run(LONG)
    assert states(world) == DONE


def test_a_pod_that_has_yet_to_start_will_read_the_new_version() -> None:
    """A pending pod does not keep version 1; what it reads when it starts is version 2."""
    world = settled()
    triggered(world)
    tool = bare(world)
    tool.started = world.time + 2 * HOUR
    world.run(LONG)
    assert states(world) == DONE


def test_a_running_job_is_waited_for() -> None:
    """Declared or not a Job is never restarted, and version 1 stays until it ends."""
    for declared in (True, False):
        job = Workload("import", "api", kind="Job", replicas=0)
        consumers = [{"kind": "Job", "name": "import", "refresh": "None"}] if declared else []
        world = settled(job, consumers=consumers)
        pod = bare(world, "import-x", owner=("Job", "import"))
        world.run(SECOND)
        triggered(world, lasts=LONG, consumers=consumers)
        assert states(world) == MOVED, declared
        assert verdict(world, "UndeclaredConsumers")[0] == str(not declared)
        pod.ends = world.time
        world.run(HOUR)
        assert states(world) == DONE, declared
        assert job.restarts == []


def test_a_pod_that_is_stuck_terminating_is_waited_for() -> None:
    """The consumer is restarted once; its old pods take six hours to end, and so long version 1 stays."""
    web = Workload("web", "api", grace=timedelta(hours=6))
    world = settled(web, consumers=[WEB])
    triggered(world, lasts=5 * HOUR, consumers=[WEB])
    assert states(world) == MOVED
    assert consumer(world, "web").pods_behind > 0
    assert verdict(world, "ConsumersUpToDate") == ("False", "AwaitingRollout")
    assert verdict(world, "Ready")[0] == "True"
    world.run(9 * HOUR)
    assert states(world) == DONE
    assert web.restarts == ["2"]


def test_a_paused_consumer_waits_for_its_person() -> None:
    """It is not restarted and does not fail; when it is resumed it moves, and it is said once that it waited."""
    web = Workload("web", "api", manual="paused")
    world = settled(web, consumers=[WEB])
    triggered(world, lasts=LONG, consumers=[WEB])
    assert states(world) == MOVED
    assert web.restarts == []
    assert (consumer(world, "web").message or "").startswith("not restarted: paused; may hold an older version: web-")
    web.manual = None
    world.run(HOUR)
    assert states(world) == DONE
    assert web.restarts == ["2"]
    assert heard(world, "ConsumerWaiting", "ConsumerRestarted") == {"ConsumerWaiting": 1, "ConsumerRestarted": 1}


def test_a_paused_canary_keeps_no_other_from_moving() -> None:
    """Whoever a person keeps still is no canary: the others move."""
    web, jobs = Workload("web", "api", manual="OnDelete"), Workload("jobs", "api")
    world = settled(web, jobs, consumers=[WEB, JOBS])
    triggered(world, lasts=HOUR, consumers=[WEB, JOBS])
    assert (web.restarts, jobs.restarts) == ([], ["2"])
    assert states(world) == MOVED
    for pod in list(web.pods):
        web.pods.remove(pod)
        world.run(MINUTE)
    world.run(HOUR)
    assert states(world) == DONE


def test_consumers_move_one_after_the_other() -> None:
    """The second is restarted only when every pod of the first is ready with the new version."""
    web, jobs = Workload("web", "api", ready_after=timedelta(minutes=3)), Workload("jobs", "api")
    both = [WEB, JOBS]
    world = settled(web, jobs, consumers=both)
    triggered(world, lasts=4 * MINUTE, consumers=both)
    assert (web.restarts, jobs.restarts) == (["2"], [])
    world.run(HOUR)
    assert (web.restarts, jobs.restarts) == (["2"], ["2"])
    assert world.plug.calls.count("workloads.restart") == 2, "nothing is written from an old look"
    assert states(world) == DONE


def test_a_consumer_that_joins_during_the_overlap_is_moved_too() -> None:
    """It was declared after version 2 became current; its pods count from then on."""
    web, jobs = Workload("web", "api"), Workload("jobs", "api")
    world = settled(web, jobs, consumers=[WEB])
    triggered(world, consumers=[WEB])
    assert states(world) == MOVED
    world.apply("api", spec("a", consumers=[WEB, JOBS]))
    world.inspect("api")
    world.run(2 * HOUR)
    assert (web.restarts, jobs.restarts) == (["2"], ["2"])
    assert states(world) == DONE


def test_a_consumer_that_leaves_is_waited_for_no_more() -> None:
    """Taken from the spec while it is stuck, it is said once; its pods still gate, as anybody's who uses the Secret."""
    web = Workload("web", "api")
    jobs = Workload("jobs", "api", manual="paused")
    world = settled(web, jobs, consumers=[WEB, JOBS])
    triggered(world, lasts=HOUR, consumers=[WEB, JOBS])
    assert verdict(world, "ConsumersUpToDate")[0] == "False"
    world.apply("api", spec("a", consumers=[WEB]))
    world.run(HOUR)
    assert heard(world, "ConsumerRemoved", "OverlapStarted") == {"ConsumerRemoved": 1, "OverlapStarted": 1}
    assert verdict(world, "ConsumersUpToDate")[0] == "True"
    assert states(world) == MOVED
    assert verdict(world, "RevocationBlocked") == ("True", "HeldByPods")
    jobs.pods.clear()
    world.run(HOUR)
    assert states(world) == DONE


def test_a_person_who_undoes_a_restart_is_contradicted_once() -> None:
    """The template is written a second time, with an Event of its own; when it is undone again it is left alone."""
    web = Workload("web", "api", grace=HOUR)
    world = settled(web, consumers=[WEB])
    triggered(world, lasts=10 * SECOND, consumers=[WEB])
    assert web.restarts == ["2"]
    web.write("api", None)
    world.run(MINUTE)
    assert web.restarts == ["2", None, "2"]
    web.write("api", None)
    world.run(3 * HOUR)
    assert web.restarts == ["2", None, "2", None]
    assert heard(world, "ConsumerRestarted", "ConsumerReverted") == {"ConsumerRestarted": 1, "ConsumerReverted": 1}
    world.run(DAY)
    assert states(world) == DONE, "the pods of the template without annotation read version 2 as well"


def test_two_credentials_of_one_workload() -> None:
    """Each rotation restarts it once, and none touches the other's annotation."""
    web = Workload("web", "api", others=("db",))
    world = World()
    world.add(web)
    for name in ("api", "db"):
        world.apply(name, spec(consumers=[WEB]))
    world.run(HOUR)
    world.apply("api", spec("a", consumers=[WEB]))
    world.run(HOUR)
    assert web.template == {"api": "2"}
    for name in ("api", "db"):
        world.apply(name, spec("b", consumers=[WEB]))
    world.run(2 * HOUR)
    assert web.template == {"api": "3", "db": "2"}
    assert sorted(web.restarts, key=str) == ["2", "2", "3"]
    assert states(world, "db") == DONE
    assert states(world) == {1: "Revoked", 2: "Revoked", 3: "Active"}


def test_a_consumer_that_does_not_exist_is_named_and_waited_for_by_nobody() -> None:
    """The status says that it was not found; the rotation goes on."""
    world = settled(consumers=[WEB])
    triggered(world, lasts=SECOND * 30, consumers=[WEB])
    assert consumer(world, "web").message == "not found"
    world.run(HOUR)
    assert states(world) == DONE


def test_consumers_by_selector() -> None:
    """Whoever carries the label is restarted; whoever gets it later is a consumer from then on."""
    chosen = {"kind": "Deployment", "selector": {"matchLabels": {"tier": "front"}}}
    web, jobs = Workload("web", "api", labels={"tier": "front"}), Workload("jobs", "api")
    world = settled(web, jobs, consumers=[chosen])
    triggered(world, lasts=5 * MINUTE, consumers=[chosen])
    assert (web.restarts, jobs.restarts) == (["2"], [])
    jobs.labels = {"tier": "front"}
    world.inspect("api")
    world.run(HOUR)
    assert (web.restarts, jobs.restarts) == (["2"], ["2"])
    assert states(world) == DONE


def test_many_consumers_without_pods_are_moved_in_one_go() -> None:
    """Scaled to zero, they have moved as soon as they are restarted; that makes a long pass, and no failure of it."""
    consumers = [{"kind": "Deployment", "name": f"w{number}"} for number in range(32)]
    idle = [Workload(f"w{number}", "api", replicas=0) for number in range(32)]
    world = settled(*idle, consumers=consumers)
    triggered(world, consumers=consumers)
    assert [workload.restarts for workload in idle] == [["2"]] * 32
    assert states(world) == MOVED
