"""How fast the data keys of many sealed values are wrapped anew: `python -m benchmarks.key_rotation`.

Each value stands in a Secret of its own at a real API server, as a version's does; so does the ring.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import load
from benchmarks.mass_rotation import say
from benchmarks.stand import HOME, Stand, fresh
from rekey.core.envelope import Place, Sealed, parse
from rekey.core.keyring import Wish
from rekey.core.material import Material
from rekey.engine.counting import Counted
from rekey.engine.ring_rotation import RingRotation
from rekey.engine.sealing import Sealing
from rekey.kube.client import Client
from rekey.kube.secrets import KubeSecrets
from rekey.ports.sealed import Record
from rekey.ports.secrets import NewSecret, SecretChange
from rekey.providers.keyring.ring import Keyring

_SPACE = "sealed"
_NOTE = "rekey.dev/sealed"
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
    """Sealed values in Secrets."""

    secrets: KubeSecrets
    count: int

    async def places(self, *, ours: bool) -> AsyncIterator[Place]:
        """Give the places of all."""
        del ours
        for number in range(self.count):
            yield place(number)

    async def read(self, place: Place) -> Record | None:
        """Return what stands at one."""
        view = await self.secrets.read(_SPACE, place.uid)
        return (
            Record(place, view.annotations[_NOTE], f"{view.uid} {view.resource_version}") if view is not None else None
        )

    async def store(self, record: Record, text: str) -> None:
        """Replace one as it was read."""
        uid, version = record.revision.split()
        change = SecretChange(uid=uid, resource_version=version, annotations={_NOTE: text})
        await self.secrets.change(_SPACE, record.place.uid, change)

    async def put(self, number: int, text: str) -> None:
        """Store a new one."""
        new = NewSecret(place(number).uid, _TOKEN, owner=None, immutable=True, annotations={_NOTE: text})
        await self.secrets.create(_SPACE, new)

    async def sealed(self) -> dict[Place, Sealed]:
        """Return all as they stand there."""
        found: dict[Place, Sealed] = {}

        async def one(number: int) -> None:
            record = await self.read(place(number))
            if record is not None:
                found[record.place] = parse(record.text)

        await load.each(range(self.count), one)
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


def place(number: int) -> Place:
    """Return where a value belongs."""
    return Place(f"value-{number}", 1, "refresh token")


async def measure(client: Client, count: int) -> Figures:
    """Seal, rotate, wait, look, and compare."""
    figures, calls, clock, secrets = Figures(count), Counter[str](), Clock(), KubeSecrets(client)
    ring, shelf = Keyring(secrets, clock, HOME), Shelf(secrets, count)
    sealing = Sealing(Counted(ring, lambda operation, result: calls.update([f"{operation} {result}"])))
    rotation = RingRotation("", ring, sealing, shelf, clock, timedelta(days=30))

    async def seal(number: int) -> None:
        await shelf.put(number, await sealing.seal(_STATE, place(number)))

    say(f"sealing {count} values")
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
