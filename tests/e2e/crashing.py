"""`rekey run` that kills itself at chosen effects, and a supervisor: the same wiring; the product knows nothing of it.

CRASH_PLAN names a JSON file: `{"<credential>": ["<effect>", "before" | "after"]}`; an effect is written as by `label`.
CRASH_LOG takes a JSON line for each effect that was carried out, with the edges it took, and for each crash. A line
that tells of a crash is also what keeps it from happening again.
"""

import json
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from rekey.app import cli
from rekey.core.edges import EDGES, Verb
from rekey.core.effects import Effect, Reinstate
from rekey.core.facts import Facts
from rekey.core.machine import advance
from rekey.core.status import State, Status
from rekey.engine.perform import Bench, Done
from tests.e2e.supervising import Supervisor

PLAN, LOG = "CRASH_PLAN", "CRASH_LOG"


def label(effect: Effect) -> str:
    """Return what the effect is and what it is about: `Issue 2`, `Restart web 2`, `Conclude`."""
    about = ("name", "value", "number", "orphaned")
    told = [getattr(effect, field) for field in about if hasattr(effect, field)]
    return " ".join([type(effect).__name__, *(str(one) for one in told if one is not False)])


def edges(effect: Effect, before: Status, after: Status) -> list[str]:
    """Return the edges that lead from one status to the other."""
    old = {version.number: version.state for version in before.versions}
    moved = [(old.get(one.number), one.state) for one in after.versions if old.get(one.number) is not one.state]
    return [edge for start, end in moved for edge in _between(effect, start, end)]


def _between(effect: Effect, start: State | None, end: State) -> list[str]:
    """Return the edge's name; of the two that take a version from Active it is the effect that tells which one."""
    other = Verb.SUPERSEDE if isinstance(effect, Reinstate) else Verb.WITHDRAW
    verbs = [verb for (origin, verb), to in EDGES.items() if (origin, to) == (start, end) and verb is not other]
    return [drawn(start, verb, end) for verb in verbs]


def drawn(start: State | None, verb: Verb, end: State) -> str:
    """Return an edge as text."""
    return f"{start or 'none'} --{verb}--> {end}"


class Crashes:
    """The plan, and what came of it."""

    def __init__(self, plan: dict[str, list[str]], log: Path) -> None:
        self._plan = plan
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._done = {line["credential"] for line in read(log) if line["what"] == "crash"}

    def note(self, **line: Any) -> None:
        """Write a line that a crash cannot take back."""
        os.write(self._log, json.dumps(line).encode() + b"\n")

    def strike(self, credential: str, effect: str, when: str) -> None:
        """End this process without a word, if that is the moment."""
        if self._plan.get(credential) == [effect, when] and credential not in self._done:
            self.note(what="crash", credential=credential, effect=effect, when=when)
            os.kill(os.getpid(), signal.SIGKILL)


def read(log: Path) -> list[dict[str, Any]]:
    """Return the lines of a log."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def install(crashes: Crashes) -> None:
    """Have every effect pass by the plan."""
    perform = Bench.perform

    async def watched(self: Bench, facts: Facts, effect: Effect) -> Done:
        name, what = facts.credential.key.name, label(effect)
        crashes.strike(name, what, "before")
        done = await perform(self, facts, effect)
        taken = edges(effect, facts.status, advance(facts.status, effect, done.advance))
        crashes.note(what="effect", credential=name, effect=what, edges=taken)
        crashes.strike(name, what, "after")
        return done

    Bench.perform = watched  # type: ignore[method-assign]


def live() -> None:
    """Be the operator, with crashes as planned."""
    install(Crashes(json.loads(Path(os.environ[PLAN]).read_text()), Path(os.environ[LOG])))
    cli.main()


def main() -> int:
    """Supervise."""
    sys.argv[0] = "rekey"
    import_module("rekey.app.run")
    log = Crashes({}, Path(os.environ[LOG]))
    return Supervisor(live, killed=lambda: log.note(what="death")).run()


if __name__ == "__main__":
    sys.exit(main())
