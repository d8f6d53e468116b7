"""What verifiers accept, at every instant of the simulated world: all that a user holds, and before it is used.

A verifier reads as badly as the rules allow: one that is restarted goes by the oldest content within the cache's lag
of its start, one that reloads by any content of the last `overlap.propagation`.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from rekey.core.facts import Credential, How
from rekey.core.spec_request import RequestReason, RevokeWhen
from rekey.ports.secrets import SecretView
from tests.sim.cluster import Pod, held

if TYPE_CHECKING:
    from tests.sim.world import World

NOTHING: frozenset[int] = frozenset()
LIST = "verifier.json"


def entries(view: SecretView | None) -> list[dict[str, Any]]:
    """Return what a verifier's Secret lists."""
    text = view.material.reveal().get(LIST) if view is not None else None
    return json.loads(text).get("entries", []) if text is not None else []


def listed(view: SecretView | None, credential: str | None = None) -> dict[int, str]:
    """Return the versions that a verifier's Secret lists, with their status; of one credential, if it tells of many."""
    return {
        one["version"]: one["status"]
        for one in entries(view)
        if credential is None or one["credential"].endswith(f"/{credential}")
    }


@cache
def _is_part(part: str, name: str) -> bool:
    return re.fullmatch(re.escape(name) + r"(-\d+)?", part) is not None


class Verifying:
    """What each verifier's Secret said, and since when."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.said: dict[str, list[tuple[datetime, dict[str, frozenset[int]]]]] = {}

    def note(self, name: str, view: SecretView | None) -> None:
        """Note what a Secret says from now on."""
        if name in self.said or (view is not None and LIST in view.material.reveal()):
            said: dict[str, frozenset[int]] = {}
            for one in entries(view):
                whose = one.get("credential", "")
                said[whose] = said.get(whose, NOTHING) | {one["version"]}
            self.said.setdefault(name, []).append((self.world.time, said))

    def _always(self, credential: Credential, first: datetime, last: datetime) -> frozenset[int]:
        """Return what one and the same of the Secrets said of the credential at every instant between these."""
        assert credential.spec.verifier is not None
        name = credential.spec.verifier.secret_name
        parts = [part for part in self.said if _is_part(part, name)]
        return NOTHING.union(*(self._throughout(part, str(credential.key), first, last) for part in parts))

    def _throughout(self, name: str, credential: str, first: datetime, last: datetime) -> frozenset[int]:
        always: frozenset[int] | None = None
        for since, said in reversed(self.said.get(name, [])):
            if since <= last:
                numbers = said.get(credential, NOTHING)
                always = numbers if always is None else always & numbers
            if since < first:
                return always or NOTHING
        return NOTHING

    def check(self) -> None:
        """No user holds what a verifier does not know, and what is current has been known for long enough."""
        for credential in self.world.credentials.values():
            verifier, reference = credential.spec.verifier, credential.status.verifier
            if verifier is None or reference is None or credential.deleting is not None:
                continue
            now = self.world.time
            known = self._known_to_all(credential)
            bundle = credential.spec.target.secret_name or credential.key.name
            shown = self.world.history.get(bundle, [])
            if shown and shown[-1].number is not None:
                assert shown[-1].number in known, f"V1: version {shown[-1].number} is current, known are {set(known)}"
            timing, used = self.world.timing, set()
            for pod in () if self.hurried() else self.world.pods():
                if bundle in pod.bundles:
                    numbers = held(pod, shown, now, timing.cache_lag, timing.propagation)
                    assert numbers <= known, f"V2: {pod.name} holds versions {numbers}, known are {set(known)}"
                    used |= numbers
            for number in used:
                self._every_verifier_knows(credential, number)

    def _known_to_all(self, credential: Credential) -> frozenset[int]:
        """Return the versions that everybody knows who reloads, and those that were there before the verifier."""
        now = self.world.time
        late = timedelta(0) if self.hurried() else credential.spec.overlap.propagation
        older = {version.number for version in credential.status.versions if version.published_time is None}
        return self._always(credential, now - late, now) | (older & self._always(credential, now, now))

    def hurried(self) -> bool:
        """S1: who wants a leaked version to go at once does not wait for verifiers."""
        wishes = [item.spec for item in self.world.asked if item.spec.reason is RequestReason.COMPROMISE]
        return any(wish.revoke is RevokeWhen.IMMEDIATELY for wish in wishes)

    def _every_verifier_knows(self, credential: Credential, number: int) -> None:
        version = next((one for one in credential.status.versions if one.number == number), None)
        if version is None or version.published_time is None:
            return
        declared = {item.name for item in credential.spec.consumers if item.role.value == "Verifier"}
        for pod in self.world.pods():
            if pod.workload in declared and pod.ready(self.world.time):
                known = self._known(pod, credential)
                assert number in known, f"V2: verifier {pod.name} refuses version {number}, it knows {set(known)}"

    def _known(self, pod: Pod, credential: Credential) -> frozenset[int]:
        lag, late = self.world.timing.cache_lag, credential.spec.overlap.propagation
        if pod.how is How.SNAPSHOT:
            return self._always(credential, pod.started - lag, pod.started)
        return self._always(credential, max(pod.started - lag, self.world.time - late), self.world.time)
