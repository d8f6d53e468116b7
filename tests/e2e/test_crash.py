"""The operator is killed before and after every effect; a supervisor starts it again, and nothing tells in the end."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest

from rekey.core.edges import EDGES
from rekey.core.effects import Effect
from tests.e2e import crashing
from tests.e2e.conftest import Opening
from tests.e2e.crash_scenarios import CLIENT, PATIENCE, SCENARIOS, Scenario
from tests.e2e.history import History, Recorder, recording
from tests.e2e.stage import Stage

pytestmark = pytest.mark.kube

LAUNCHER = ("-m", "tests.e2e.crashing")
# With one worker a crash at one credential's effect never cuts off the effect that another is to be crashed at.
# A container that is started again is the same pod: its name is still in the Lease, which it takes back at once.
SETTINGS = {
    "REKEY_DRIFT_INTERVAL": "3s",
    "REKEY_WORKERS": "1",
    "REKEY_MAX_ROLLOUTS_PER_NAMESPACE": "50",
    "REKEY_IDENTITY": "rekey-0",
    "REKEY_PROBE_ALLOWED": "http://127.0.0.0/8",
}


@dataclass(frozen=True)
class Run:
    """One scenario under way: every case is a credential that is crashed once, and shares all crashes of the rest."""

    title: str
    scenario: Scenario
    stage: Stage
    recorder: Recorder
    log: Path

    @property
    def cases(self) -> dict[str, list[str]]:
        """The plan."""
        return self.scenario.cases()

    def begin(self) -> None:
        """Make what there is at first, and start the operator under supervision."""
        self.stage.apply(*[thing for name in self.cases for thing in self.scenario.begin(self.stage, name)])
        self.stage.operator.launch()

    def go_on(self) -> None:
        """Do what is done when everything has settled."""
        for name in self.cases:
            self.stage.until_states(name, {1: "Active"}, PATIENCE)
        if self.scenario.templates:
            self.stage.until_old(*self.cases)
        self.scenario.then(self.stage, list(self.cases))

    def finish(self) -> History:
        """Wait for the end of every credential, and for every crash; return what happened."""
        for name in self.cases:
            self._until_its_end(name)
        self.stage.until(lambda: len(self.crashes()) >= len(self.cases), f"every crash of {self.title}", PATIENCE)
        self.stage.until(self.is_tidy, f"the Secrets of {self.title} to be as they must be", PATIENCE)
        self.stage.operator.stop()
        return self.recorder.history()

    def _until_its_end(self, name: str) -> None:
        ends = self.scenario.ends
        if not self.scenario.open:
            self.stage.until_states(name, ends, PATIENCE)
        else:
            self.stage.until(lambda: self.stage.states(name) == ends, f"{name} to be {ends}", PATIENCE)

    def is_tidy(self) -> bool:
        """Tell whether bundle and current version are left, and owned, or what the deletion policy leaves."""
        left = {
            item["metadata"]["name"]: bool(item["metadata"].get("ownerReferences"))
            for item in self.stage.all("secrets")
            if item["metadata"]["name"] != CLIENT
        }
        kept = self.scenario.kept
        return left == {name.format(name=case): bool(self.scenario.ends) for case in self.cases for name in kept}

    def crashes(self) -> list[tuple[str, str, str]]:
        """Return the crashes: credential, effect, side."""
        lines = crashing.read(self.log)
        return [(one["credential"], one["effect"], one["when"]) for one in lines if one["what"] == "crash"]

    def edges(self) -> Counter[tuple[str, str]]:
        """Return how often each edge was crashed, on which side; an effect that was not done is done later."""
        found: Counter[tuple[str, str]] = Counter()
        lines = crashing.read(self.log)
        for place, line in enumerate(lines):
            if line["what"] != "crash":
                continue
            reach = lines[place:] if line["when"] == "before" else reversed(lines[:place])
            done = next((one for one in reach if _is(one, line["credential"], line["effect"])), None)
            found.update((edge, line["when"]) for edge in (done or {"edges": ()})["edges"])
        return found


def _is(line: dict[str, Any], credential: str, effect: str) -> bool:
    return line["what"] == "effect" and (line["credential"], line["effect"]) == (credential, effect)


def play(opening: Opening, stack: ExitStack, folder: Callable[[str], Path], title: str) -> Run:
    """Open the stage of a scenario."""
    scenario, here = SCENARIOS[title], folder("crash")
    (here / "plan.json").write_text(json.dumps(scenario.cases()))
    settings = {crashing.PLAN: str(here / "plan.json"), crashing.LOG: str(here / "log"), **SETTINGS}
    stage = stack.enter_context(opening(running=False, settings=settings, program=LAUNCHER))
    recorder = stack.enter_context(recording(stage.reader, stage.namespace))
    return Run(title, scenario, stage, recorder, here / "log")


def judge(run: Run, history: History) -> None:
    """Compare with what must be the same however often the process died."""
    scenario = run.scenario
    assert sorted((name, *point) for name, point in run.cases.items()) == sorted(run.crashes())
    assert sum(line["what"] == "death" for line in crashing.read(run.log)) == len(run.cases)
    for name in run.cases:
        assert history.made(name) == scenario.made, f"{run.title}: versions of {name}"
        assert all(len(found) == 1 for found in history.values(name, scenario.key).values()), f"{run.title}: {name}"
        if scenario.ends:
            assert history.locked_out(name) == [], run.title
        if scenario.templates:
            assert tuple(history.named(name, name)) == scenario.templates, f"{run.title}: {name}"
            assert history.of("deployments", name)[-1].body["metadata"]["generation"] == len(scenario.templates)


@pytest.mark.timeout(600)
def test_a_crash_at_any_effect_breaks_no_promise(
    opening: Opening,
    stack: ExitStack,
    tmp_path_factory: pytest.TempPathFactory,
    record_property: Callable[[str, object], None],
) -> None:
    """Killed before and after each effect the operator ends where it would have ended, and nobody was locked out."""
    runs = [play(opening, stack, tmp_path_factory.mktemp, title) for title in SCENARIOS]
    for run in runs:
        run.begin()
    for run in runs:
        run.go_on()
    for run, history in [(run, run.finish()) for run in runs]:
        judge(run, history)

    taken = sum((run.edges() for run in runs), Counter())
    table = {crashing.drawn(before, verb, after) for (before, verb), after in EDGES.items()}
    hit = {edge: (taken[edge, "before"], taken[edge, "after"]) for edge in sorted(table)}
    lines = [f"{before:4} {after:4}  {edge}" for edge, (before, after) in hit.items()]
    record_property("histogram", "\n".join(["crashes before and after each edge", *lines]))
    print("\n".join(lines))
    assert all(before and after for before, after in hit.values()), lines
    kinds = {crash[1].partition(" ")[0] for run in runs for crash in run.crashes()}
    assert kinds == {kind.__name__ for kind in get_args(Effect)}
