"""A machine that does to credentials on a real API server whatever people and misfortune do, in any order.

1. A step waits for nothing but its own effect. What is impossible at the moment is refused by the API server, or by
   `assume`; both are outcomes like any other.
2. At the end faults stop: workloads run, the clock is right, the operator is up. When all is at rest, or says why it is
   not, the checker judges the whole history.
3. The simplest example is the rule that comes first by name, over and over: that is `ask`.
4. Every example has a namespace of its own with four credentials at first and an operator that works there alone.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule

from tests.cluster.handle import Cluster
from tests.cluster.waiting import TimedOut
from tests.e2e.history import recording
from tests.e2e.manifests import ANNOTATION, consumer, credential, workload
from tests.e2e.reader import Reader
from tests.e2e.stage import Stage, opened
from tests.model import moved_clock
from tests.model.at_rest import explained, unfinished
from tests.model.checker import Violation, judge
from tests.model.hand import Hand
from tests.model.moment import Moment
from tests.model.strategies import DEPLOYMENTS, NAMES, edits

HOUR = 3600
PATIENCE = 120.0
SETTINGS = {"REKEY_DRIFT_INTERVAL": "2s", "REKEY_MAX_ROLLOUTS_PER_NAMESPACE": "50"}
CERTIFICATE = {
    "generate": {"certificate": {"commonName": "shop", "dnsNames": ["shop.test"]}},
    "rotation": {"lifetime": "1440h"},
}
LAUNCHER = ("-m", "tests.model.moved_clock")


@dataclass(frozen=True)
class Place:
    """Where examples are played, and what is done with what the checker found in each."""

    cluster: Cluster
    reader: Reader
    folder: Callable[[], Path]
    tell: Callable[[Stage, "Machine", list[Violation]], None]


class Machine(RuleBasedStateMachine):
    """One namespace, its operator, and everything that happens to them."""

    place: Place
    credentials: Bundle[str] = Bundle("credentials")

    def __init__(self) -> None:
        super().__init__()
        self._stack, folder = ExitStack(), self.place.folder()
        self._clock = folder / "clock"
        self._clock.write_text("0")
        settings = {**SETTINGS, moved_clock.FILE: str(self._clock)}
        place = self.place
        opening = opened(place.cluster, place.reader, folder, settings=settings, program=LAUNCHER)
        self.stage = self._stack.enter_context(opening)
        self.recorder = self._stack.enter_context(recording(place.reader, self.stage.namespace))
        self.hand = Hand(place.reader.socket, self.stage.namespace, self.recorder.hands)
        self.steps: list[str] = []
        self._words = 0
        self.stage.operator.start()

    @initialize(target=credentials)
    def begin(self) -> Any:
        """Make two workloads, and four credentials that they use; two of them have verifiers."""
        for name in DEPLOYMENTS:
            self.hand.create("deployments", workload(name, *NAMES[:2], replicas=1))
        apps = [consumer(name) for name in DEPLOYMENTS]
        for place, name in enumerate(NAMES):
            told = {"verifier": {"secretName": f"{name}-told", "format": "SHA256"}, "overlap": {"propagation": "1s"}}
            more = CERTIFICATE if name == NAMES[-1] else told if place % 2 else {}
            self._create(name, consumers=apps if place < 2 else [], **more)
        self.stage.until(self._all_are_current, "the first versions")
        return multiple(*NAMES)

    def _all_are_current(self) -> bool:
        return all(self.stage.status(name).get("currentVersion") for name in NAMES)

    def _note(self, *words: object) -> None:
        self.steps.append(" ".join(str(word) for word in words))

    def _create(self, name: str, **spec: Any) -> None:
        self.hand.create("rotatedcredentials", credential(name, **spec))

    @rule(target=credentials, number=st.integers(4, 5), edit=edits())
    def create(self, number: int, edit: Mapping[str, Any]) -> str:
        """Make a credential with one field of its own, perhaps where one was."""
        name, body = f"c{number}", credential(f"c{number}", target={"adopt": "Unowned"})
        for key, value in edit["spec"].items():
            if isinstance(value, dict):
                body["spec"][key] = {**body["spec"].get(key, {}), **{k: v for k, v in value.items() if v is not None}}
            elif value is not None:
                body["spec"][key] = value
        self._note("create", name, json.dumps(edit))
        self.hand.create("rotatedcredentials", body)
        return name

    @rule(name=credentials, edit=edits())
    def edit(self, name: str, edit: Mapping[str, Any]) -> None:
        """Set any field of a spec, or take it away."""
        self._note("edit", name, json.dumps(edit))
        self.hand.patch("rotatedcredentials", name, dict(edit))

    @rule(name=credentials)
    def ask(self, name: str) -> None:
        """Ask for a rotation."""
        self._words += 1
        self._note("ask", name)
        self.hand.patch("rotatedcredentials", name, {"spec": {"rotation": {"trigger": f"w{self._words}"}}})

    @rule(word=st.integers())
    def ask_all(self, word: int) -> None:
        """Ask for a rotation of everything."""
        for name in NAMES:
            self.ask(name)

    @rule(name=credentials, suspend=st.booleans())
    def suspend(self, name: str, suspend: bool) -> None:  # noqa: FBT001
        """Suspend, or go on."""
        self._note("suspend", name, suspend)
        self.hand.patch("rotatedcredentials", name, {"spec": {"suspend": suspend}})

    @rule(name=credentials)
    def remove(self, name: str) -> None:
        """Delete a credential."""
        self._note("remove", name)
        self.hand.delete("rotatedcredentials", name)

    @rule(name=credentials, which=st.sampled_from(["", "-v1", "-v2", "-v3", "-told"]))
    def delete_a_secret(self, name: str, which: str) -> None:
        """Delete a Secret."""
        self._note("delete-secret", name + which)
        self.hand.delete("secrets", name + which)

    @rule(
        name=credentials,
        key=st.sampled_from(["token", "tls.key", "version", "previous.token", "previous.version", "more"]),
    )
    def tamper_with_a_value(self, name: str, key: str) -> None:
        """Write a key of a bundle."""
        self._note("tamper", name, key)
        self.hand.patch("secrets", name, {"data": {key: "OTk="}})

    @rule(
        name=credentials,
        which=st.sampled_from(["", "-v1", "-v2", "-told"]),
        field=st.sampled_from(["labels", "ownerReferences"]),
    )
    def strip(self, name: str, which: str, field: str) -> None:
        """Take the labels or the owner off a Secret."""
        self._note("strip", name + which, field)
        self.hand.patch("secrets", name + which, {"metadata": {field: None}})

    @rule(name=credentials, number=st.integers(2, 4))
    def squat(self, name: str, number: int) -> None:
        """Put a Secret where a version is going to be."""
        self._note("squat", name, number)
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{name}-v{number}"}, "data": {"a": "YQ=="}}
        self.hand.create("secrets", body)

    @rule(app=st.sampled_from(DEPLOYMENTS), replicas=st.integers(0, 2))
    def scale(self, app: str, replicas: int) -> None:
        """Scale a workload, to zero too."""
        self._note("scale", app, replicas)
        self.hand.patch("deployments", app, {"spec": {"replicas": replicas}})

    @rule(app=st.sampled_from(DEPLOYMENTS), paused=st.booleans())
    def pause(self, app: str, paused: bool) -> None:  # noqa: FBT001
        """Pause a workload's rollouts, or let them go on."""
        self._note("pause", app, paused)
        self.hand.patch("deployments", app, {"spec": {"paused": paused}})

    @rule(app=st.sampled_from(DEPLOYMENTS), name=st.sampled_from(NAMES[:2]))
    def undo(self, app: str, name: str) -> None:
        """Put a template back to what it was before the operator wrote into it."""
        self._note("undo", app, name)
        note = {f"{ANNOTATION}{name}": None}
        self.hand.patch("deployments", app, {"spec": {"template": {"metadata": {"annotations": note}}}})

    @rule(kill=st.booleans())
    def restart_the_operator(self, kill: bool) -> None:  # noqa: FBT001
        """Stop or kill the operator, and start it again."""
        self._note("restart the operator", "by SIGKILL" if kill else "in order")
        (self.stage.operator.kill if kill else self.stage.operator.stop)()
        self.stage.operator.launch()

    @rule(hours=st.integers(-1, 1))
    def move_the_clock(self, hours: int) -> None:
        """Set the operator's clock wrong by an hour, or right."""
        self._note("clock", hours)
        self._clock.write_text(str(hours * HOUR))

    @rule(steps=st.integers(1, 3))
    def let_it_work(self, steps: int) -> None:
        """Wait until the operator has written a few times, or has nothing to write."""
        self._note("let it work", steps)
        before = self._marks()
        try:
            self.stage.until(
                lambda: sum(a != b for a, b in zip(before, self._marks(), strict=True)) >= steps, "work", 2
            )
        except TimedOut:
            return

    def _marks(self) -> list[str]:
        found = {one["metadata"]["name"]: one for one in self.stage.all("rotatedcredentials")}
        return [found[name]["metadata"]["resourceVersion"] if name in found else "" for name in NAMES]

    def teardown(self) -> None:
        """End all faults, wait for rest, and have the history judged."""
        with self._stack:
            self._clock.write_text("0")
            self.stage.operator.stop()
            self.stage.operator.start()
            for app in DEPLOYMENTS:
                self.hand.patch("deployments", app, {"spec": {"replicas": 1, "paused": None}})
            self.place.tell(self.stage, self, self.verdict())

    def verdict(self) -> list[Violation]:
        """Wait until everything is at rest, or for so long that it never will be; return what the checker finds."""
        try:
            self.stage.until(self._rests, "rest", PATIENCE)
        except TimedOut as late:
            self._note(late)
        self.stage.operator.stop()
        return judge(self.recorder.history(), resting=True)

    def _rests(self) -> bool:
        moment = Moment(self.recorder.hands)
        for change in self.recorder.history().changes:
            moment.see(change)
        found = moment.objects.get("rotatedcredentials", {}).values()
        quiet = all(not unfinished(one, moment) or explained(one) for one in found)
        return quiet and not judge(self.recorder.history(), resting=True, rules={})
