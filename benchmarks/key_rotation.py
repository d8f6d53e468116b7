"""How fast the data keys of many sealed values are wrapped anew: `python -m benchmarks.key_rotation`.

Each value stands beside a version in a Secret of its own at a real API server, and is found by the ledger of a
credential, as the operator finds it; no operator runs.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import load
from benchmarks.mass_rotation import say
from benchmarks.stand import HOME, Stand, fresh
from rekey.app.leading import Alone
from rekey.core.envelope import Place, Sealed, parse
from rekey.core.keyring import Wish
from rekey.core.material import Material
from rekey.engine.counting import Counted
from rekey.engine.ring_rotation import RingRotation
from rekey.engine.sealing import Sealing
from rekey.kube.api import CREATE, CREDENTIALS, MERGE
from rekey.kube.client import Client
from rekey.kube.sealed import KubeRecords
from rekey.kube.secrets import KubeSecrets
from rekey.ports.sealed import ANNOTATION, PURPOSE
from rekey.ports.secrets import NewSecret, Owner
from rekey.providers.keyring.ring import Keyring

_SPACE = "sealed"
_SPEC = {"provider": {"ref": {"name": "idp"}, "oauth2": {"grantSecretName": "consent"}}}
_RESULT = Path(__file__).parent / "results" / "latest-key-rotation.json"
_TOKEN = Material({"token": b"what consumers see"})
_STATE = Material({"refresh_token": b"a refresh token has some hundred bytes; " * 5})


@dataclass
class Clock:
    """The machine's, set forward instead of waiting."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        """Return the present instant."""
        return datetime.now(UTC) + self.ahead


@dataclass
class Shelf:
    """Credentials with a version each, whose Secret has something sealed."""

    client: Client
    count: int
    uids: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find what is sealed as the operator does."""
        self.secrets = KubeSecrets(self.client)
        self.records = KubeRecords(self.client, (_SPACE,), Alone(datetime.now(UTC)))

    async def declare(self, number: int) -> None:
        """Make a credential that says that it has a version."""
        name, head = _name(number), {"apiVersion": CREDENTIALS.api_version, "kind": CREDENTIALS.kind}
        body = {**head, "metadata": {"name": name}, "spec": _SPEC}
        made = await self.client.request(CREATE, CREDENTIALS.all(_SPACE), body=body)
        self.uids[number] = made["metadata"]["uid"]
        status = {"versions": [{"number": 1, "state": "Active", "secretName": f"{name}-v1"}]}
        await self.client.request(MERGE, CREDENTIALS.one(_SPACE, name, "status"), body={"status": status})

    def place(self, number: int) -> Place:
        """Return where a value belongs."""
        return Place(self.uids[number], 1, PURPOSE)

    async def put(self, number: int, text: str) -> None:
        """Store a new one."""
        owner = Owner(_name(number), self.uids[number])
        new = NewSecret(f"{owner.name}-v1", _TOKEN, owner, immutable=True, annotations={ANNOTATION: text})
        await self.secrets.create(_SPACE, new)

    async def sealed(self) -> dict[Place, Sealed]:
        """Return all as they stand there."""
        found: dict[Place, Sealed] = {}
        places = [place async for place in self.records.places(ours=False)]

        async def one(number: int) -> None:
            record = await self.records.read(places[number])
            if record is not None:
                found[record.place] = parse(record.text)

        await load.each(range(len(places)), one)
        return found


@dataclass
class Figures:
    """What was measured; rates are per second."""

    count: int
    sealed_rate: float = 0.0
    rewrapped_rate: float = 0.0
    looked_rate: float = 0.0
    opened: int = 0
    ciphertexts_changed: int = 0
    wraps_changed: int = 0
    keys: tuple[str, ...] = ()


def _name(number: int) -> str:
    return f"value-{number}"


async def measure(client: Client, count: int) -> Figures:
    """Seal, rotate, wait, look, and compare."""
    figures, calls, clock, shelf = Figures(count), Counter[str](), Clock(), Shelf(client, count)
    ring = Keyring(shelf.secrets, clock, HOME)
    sealing = Sealing(Counted(ring, lambda operation, result: calls.update([f"{operation} {result}"])))
    rotation = RingRotation("", ring, sealing, shelf.records, clock, timedelta(days=30))

    async def seal(number: int) -> None:
        await shelf.put(number, await sealing.seal(_STATE, shelf.place(number)))

    say(f"{count} credentials")
    await load.each(range(count), shelf.declare)
    say("a value of each is sealed")
    figures.sealed_rate = count / await load.each(range(count), seal)
    before = await shelf.sealed()
    say("the ring is rotated: every data key is wrapped anew")
    began = time.perf_counter()
    rest = await rotation.turn(Wish("benchmark", "benchmark"))
    figures.rewrapped_rate = count / (time.perf_counter() - began)
    if rest.until is not None:
        clock.ahead = rest.until - datetime.now(UTC)
    began = time.perf_counter()
    # Re-wrapping finds nothing left; then all is looked at, and a sample opened.
    await rotation.turn(None)
    figures.looked_rate = 2 * count / (time.perf_counter() - began)
    for at, new in (await shelf.sealed()).items():
        old = before[at]
        figures.ciphertexts_changed += old.locked != new.locked
        figures.wraps_changed += old.wrapped != new.wrapped
    found = await ring.read("")
    figures.keys = tuple(key.state.value for key in found.keys) if found is not None else ()
    figures.opened = calls["unwrap ok"]
    return figures


async def run(stand: Stand, count: int) -> Figures:
    """Measure on a stand."""
    async with stand.client() as client:
        return await measure(client, count)


def main() -> int:
    """Measure and write down what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    wanted = parser.parse_args()
    with fresh({_SPACE: None}, keep=False) as stand:
        figures = asyncio.run(run(stand, wanted.count))
    _RESULT.write_text(json.dumps(asdict(figures), indent=2) + "\n")
    print(json.dumps(asdict(figures), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
