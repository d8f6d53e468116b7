"""Several operators with one Lease: who leads, and what becomes of credentials when leaders stop, freeze or die."""

import random
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic

from tests.cluster.waiting import until
from tests.e2e.history import History
from tests.e2e.manifests import Manifest, consumer, credential, workload
from tests.e2e.process import PATIENCE, Operator
from tests.e2e.reader import folder
from tests.e2e.stage import Stage

QUICK_LEASE = {"REKEY_LEASE_DURATION": "3s", "REKEY_LEASE_RENEW_DEADLINE": "2s", "REKEY_LEASE_RETRY": "500ms"}


class Replica:
    """One of several operators; each life may have a name of its own, as a pod has."""

    def __init__(self, name: str, operator: Operator) -> None:
        self.name = name
        self.operator = operator
        self.identity = ""
        self._lives = 0

    def launch(self, *, renamed: bool = True) -> None:
        """Start it, as a new pod or in the old one."""
        self._lives += renamed
        self.identity = f"{self.name}-{self._lives}"
        self.operator.vary(REKEY_IDENTITY=self.identity)
        self.operator.launch()

    def kill(self) -> None:
        """End it at once."""
        self.operator.kill()


def spec(stage: Stage) -> Manifest:
    """Return what the stage's Lease says."""
    found = stage.reader.get(f"{folder('leases', 'default')}/rekey-{stage.namespace}")
    return dict((found or {}).get("spec") or {})


def leader(stage: Stage, replicas: Iterable[Replica]) -> Replica | None:
    """Return the replica that the Lease names."""
    holder = spec(stage).get("holderIdentity")
    return next((one for one in replicas if one.identity == holder), None)


def until_leads(stage: Stage, replicas: Iterable[Replica]) -> Replica:
    """Wait until the Lease names one of them, and return it."""
    several = tuple(replicas)
    names = ", ".join(one.identity for one in several)
    found = stage.until(lambda: leader(stage, several), f"one of {names} to lead", PATIENCE)
    assert found is not None
    return found


@contextmanager
def running(stage: Stage, number: int) -> Iterator[list[Replica]]:
    """Give so many replicas of the stage's operator, all launched; they end with the block."""
    replicas = [Replica(name := f"replica-{place}", stage.operator.another(name)) for place in range(number)]
    try:
        for one in replicas:
            one.launch()
        yield replicas
    finally:
        for one in replicas:
            one.kill()


def population(number: int, consumed: int) -> list[Manifest]:
    """Return so many credentials, every so manieth with a Deployment that uses it."""
    made: list[Manifest] = []
    for name, used in ((f"c{place:03}", place % consumed == 0) for place in range(number)):
        made.append(credential(name, consumers=[consumer(name)] if used else []))
        made += [workload(name, name, replicas=1)] if used else []
    return made


class Waves:
    """Rotation after rotation of every credential of a stage: the next is asked for when all have done the last."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.done = 0

    def settled(self) -> bool:
        """Tell whether every credential has come as far as it was asked to, and nothing is under way."""
        every = self._stage.all("rotatedcredentials")
        return bool(every) and all(at_rest(one, self.done + 1) for one in every)

    def push(self) -> None:
        """Ask for the next rotation of all."""
        self.done += 1
        self._stage.kubectl("patch", "rcred", *self._names(), "--type=merge", "-p", self._patch())

    def _names(self) -> list[str]:
        return [one["metadata"]["name"] for one in self._stage.all("rotatedcredentials")]

    def _patch(self) -> str:
        return f'{{"spec": {{"rotation": {{"trigger": "wave-{self.done}"}}}}}}'


def at_rest(one: Manifest, version: int) -> bool:
    """Tell whether a credential is at that version and nothing is under way."""
    status = one.get("status") or {}
    states = {found["number"]: found["state"] for found in status.get("versions", ())}
    return (
        status.get("currentVersion") == version
        and "rotation" not in status
        and all(state == ("Active" if number == version else "Revoked") for number, state in states.items())
    )


def storm(stage: Stage, replicas: list[Replica], waves: Waves, seconds: float, every: tuple[float, float]) -> int:
    """Kill whoever leads, again and again, while wave after wave rotates; return how often.

    From blow to blow it takes as long as `every` says, or until somebody leads again.
    """
    dice = random.Random(4)  # noqa: S311  a seed, no secret
    kills, end = 0, monotonic() + seconds
    over = threading.Event()
    rolling = threading.Thread(target=_roll, args=(waves, over))
    rolling.start()
    try:
        while monotonic() < end:
            at = monotonic() + dice.uniform(*every)
            until(partial(_has_come, at), "the next blow", seconds=PATIENCE)
            victim = until_leads(stage, replicas)
            victim.kill()
            kills += 1
            victim.launch(renamed=dice.random() < 0.5)
    finally:
        over.set()
        rolling.join()
    return kills


def _roll(waves: Waves, over: threading.Event) -> None:
    """Ask for rotation after rotation until it is over."""
    while not over.wait(1.0):
        if waves.settled():
            waves.push()


def _has_come(at: float) -> bool:
    return monotonic() >= at


def judge(history: History, names: Iterable[str], last: int) -> list[str]:
    """Return every promise that was broken to one of these credentials."""
    broken = []
    for name in names:
        made = history.made(name)
        if made != dict.fromkeys(range(1, last + 1), 1):
            broken.append(f"{name}: versions were made so often: {made}")
        if any(len(found) != 1 for found in history.values(name, "token").values()):
            broken.append(f"{name}: a version had two values")
        broken += [f"{name}: {line}" for line in history.locked_out(name)]
    return broken


def freeze(replica: Replica) -> None:
    """Stop the process where it stands, as a node that swaps does."""
    replica.operator.send(signal.SIGSTOP)


def thaw(replica: Replica) -> None:
    """Let it go on."""
    replica.operator.send(signal.SIGCONT)
