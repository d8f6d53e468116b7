"""What verifiers accept, at every instant of the simulated world: all that a user holds, and before it is used.

A verifier reads as badly as the rules allow: one that is restarted goes by the oldest content within the cache's lag
of its start, one that reloads by any content of the last `overlap.propagation`.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rekey.core.facts import Credential, How
from rekey.core.spec_request import RequestReason, RevokeWhen
from rekey.ports.secrets import SecretView
from tests.sim.cluster import Pod, held

if TYPE_CHECKING:
    from tests.sim.world import World

NOTHING: frozenset[int] = frozenset()
LIST = "verifier.json"


def listed(view: SecretView | None) -> dict[int, str]:
    """Return the versions that a verifier's Secret lists, with their status."""
    text = view.material.reveal().get(LIST) if view is not None else None
    return {one["version"]: one["status"] for one in json.loads(text)["entries"]} if text is not None else {}


class Verifying:
    """What each verifier's Secret said, and since when."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.said: dict[str, list[tuple[datetime, frozenset[int]]]] = {}

    def note(self, name: str, view: SecretView | None) -> None:
        """Note what a Secret says from now on."""
        if name in self.said or (view is not None and LIST in view.material.reveal()):
            self.said.setdefault(name, []).append((self.world.time, frozenset(listed(view))))

    def _always(self, name: str, first: datetime, last: datetime) -> frozenset[int]:
        """Return what the Secret said at every instant between these."""
        found = [numbers for since, numbers in self.said.get(name, ()) if first <= since <= last]
        before = [numbers for since, numbers in self.said.get(name, ()) if since < first]
        found.append(before[-1] if before else NOTHING)
        return NOTHING.union(*found).intersection(*found)

    def check(self) -> None:
        """No user holds what a verifier does not know, and what is current has been known for long enough."""
        for credential in self.world.credentials.values():
            verifier, reference = credential.spec.verifier, credential.status.verifier
            if verifier is None or reference is None or credential.deleting is not None:
                continue
            name, now = verifier.secret_name, self.world.time
            known = self._known_to_all(credential, name)
            bundle = credential.spec.target.secret_name or credential.key.name
            shown = self.world.history.get(bundle, [])
            if shown and shown[-1].number is not None:
                assert shown[-1].number in known, f"V1: version {shown[-1].number} is current, known are {set(known)}"
            for pod in () if self.hurried() else self.world.pods():
                if bundle in (pod.bundle, *pod.others):
                    timing = self.world.timing
                    for number in held(pod, shown, now, timing.cache_lag, timing.propagation):
                        assert number in known, f"V2: {pod.name} holds version {number}, known are {set(known)}"
                        self._every_verifier_knows(credential, name, number)

    def _known_to_all(self, credential: Credential, name: str) -> frozenset[int]:
        """Return the versions that everybody knows who reloads, and those that were there before the verifier."""
        now = self.world.time
        late = timedelta(0) if self.hurried() else credential.spec.overlap.propagation
        older = {version.number for version in credential.status.versions if version.published_time is None}
        return self._always(name, now - late, now) | (older & self._always(name, now, now))

    def hurried(self) -> bool:
        """S1: who wants a leaked version to go at once does not wait for verifiers."""
        wishes = [item.spec for item in self.world.asked if item.spec.reason is RequestReason.COMPROMISE]
        return any(wish.revoke is RevokeWhen.IMMEDIATELY for wish in wishes)

    def _every_verifier_knows(self, credential: Credential, name: str, number: int) -> None:
        version = next((one for one in credential.status.versions if one.number == number), None)
        if version is None or version.published_time is None:
            return
        declared = {item.name for item in credential.spec.consumers if item.role.value == "Verifier"}
        for pod in self.world.pods():
            if pod.workload in declared and pod.ready(self.world.time):
                known = self._known(pod, name, credential.spec.overlap.propagation)
                assert number in known, f"V2: verifier {pod.name} refuses version {number}, it knows {set(known)}"

    def _known(self, pod: Pod, name: str, late: timedelta) -> frozenset[int]:
        lag = self.world.timing.cache_lag
        if pod.how is How.SNAPSHOT:
            return self._always(name, pod.started - lag, pod.started)
        return self._always(name, max(pod.started - lag, self.world.time - late), self.world.time)
