"""The promises S1 to S9 as statements about the simulated world, checked at every instant and at every effect.

They are written from the promises, not from the code: they know nothing of the ledger but what it says in public.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from rekey.core import bundle as content
from rekey.core.facts import Credential
from rekey.core.spec import AtDeadline, DeletionPolicy, RevocationPolicy
from rekey.core.spec_request import RequestReason, RevokeWhen
from rekey.core.status import State, Status
from rekey.ports.secrets import SecretView
from tests.sim.cluster import Pod, Workload, held
from tests.sim.promises_of_verifiers import Verifying

if TYPE_CHECKING:
    from tests.sim.world import World


PUBLIC = {"kid", "algorithm", "public.pem", "ssh-publickey", "tls.crt", "ca.crt"}
"""Keys whose values are no secrets."""


class Promises:
    """What must hold, and what was seen so far."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.minted: Counter[str] = Counter()
        self.values: dict[str, bytes] = {}
        self.strangers: dict[str, SecretView] = {}
        self.excused = False
        self.last_held: dict[tuple[str, int], datetime] = {}
        self.searched: list[Status] = []
        self.given_up = False
        self.compared: dict[str, SecretView] = {}
        self.verifying = Verifying(world)

    def _credential_of(self, bundle: str) -> Credential | None:
        for credential in self.world.credentials.values():
            if (credential.spec.target.secret_name or credential.key.name) == bundle:
                return credential
        return None

    def note(self, bundle: str, view: SecretView | None) -> None:
        """Note what a Secret says from now on."""
        self.verifying.note(bundle, view)

    def check(self) -> None:
        """Check what must hold at every instant."""
        statuses = [item.status for item in self.world.credentials.values()]
        if statuses != self.searched:
            self._nothing_leaks(statuses)
            self.given_up, self.searched = _is_given_up(statuses), statuses
        self._nobody_is_locked_out()
        if not self.excused:
            self.verifying.check()
        self._bundles_are_whole()
        for name, view in self.strangers.items():
            assert self.world.secrets.get(name) is view, f"S6: the stranger's Secret {name} was touched"

    def _accepted(self, bundle: str) -> set[int]:
        """Return what those accept who verify by the bundle and by the version Secrets."""
        view = self.world.secrets.get(bundle)
        if view is None:
            return set()
        shown = {number for number in content.shown_versions(view.material) if number is not None}
        credential = self._credential_of(bundle)
        if credential is not None and credential.spec.provider is not None:
            shown &= self.world.backend.numbers(credential.key.name)
        return {number for number in shown if f"{bundle}-v{number}" in self.world.secrets}

    def _nobody_is_locked_out(self) -> None:
        """S1: no user holds a version that is refused."""
        if self.excused or self.given_up:
            return
        timing, pods = self.world.timing, self.world.pods()
        users = [(bundle, pod) for pod in pods for bundle in pod.bundles]
        for bundle in {bundle for bundle, _ in users}:
            history, accepted = self.world.history.get(bundle, []), self._accepted(bundle)
            for pod in (pod for used, pod in users if used == bundle):
                for number in held(pod, history, self.world.time, timing.cache_lag, timing.propagation):
                    assert number in accepted, f"S1: {pod.name} holds version {number}, accepted are {accepted}"
                    self._note(pod, bundle, number)

    def _note(self, pod: Pod, bundle: str, number: int) -> None:
        """Remember when a declared consumer last held a version whose overlap has not begun."""
        credential = self._credential_of(bundle)
        if credential is None or pod.workload not in {item.name for item in credential.spec.consumers}:
            return
        version = next((item for item in credential.status.versions if item.number == number), None)
        if version is not None and version.overlap_start_time is None:
            self.last_held[bundle, number] = self.world.time

    def _bundles_are_whole(self) -> None:
        """Look at each bundle, unless every Secret is the one that was looked at last."""
        if self.excused or self.compared == self.world.secrets:
            return
        for bundle in self.world.history:
            view = self.world.secrets.get(bundle)
            if view is not None and "-v" not in bundle:
                self._bundle_is_whole(bundle, view)
        self.compared = dict(self.world.secrets)

    def _bundle_is_whole(self, bundle: str, view: SecretView) -> None:
        """S4, S5 and S7: the current version exists, each part is of one version, and nothing is shown beside them."""
        values = view.material.reveal()
        current, previous = content.shown_versions(view.material)
        if current is None:
            return
        stored = self.world.secrets.get(f"{bundle}-v{current}")
        assert stored is not None, f"S4: the bundle shows version {current}, which does not exist"
        assert not [key for key in values if "issuer." in key], "S7: what is for the next version only is shown"
        for key, value in content.shown(stored.material).reveal().items():
            assert values.get(key) == value, f"S5: {key} in the bundle is not of version {current}"
        before = self.world.secrets.get(f"{bundle}-v{previous}") if previous is not None else None
        if before is not None:
            for key, value in content.shown(before.material).reveal().items():
                assert values.get(f"previous.{key}") == value, f"S5: previous.{key} is not of version {previous}"

    def _nothing_leaks(self, statuses: list[Status]) -> None:
        """S7: no issued value in a status or an Event."""
        text = "\n".join(str(status.to_json()) for status in statuses)
        text += "\n".join(note for _, _, note in self.world.news[-5:])
        for name, value in self.values.items():
            assert value.decode(errors="ignore") not in text, f"S7: a value of {name} leaked"

    def created(self, view: SecretView) -> None:
        """S3: a number is minted once; at most one version that is still good is pending."""
        if view.labels.get("rekey.dev/role") != "version":
            return
        assert view.immutable, f"{view.name} must be immutable"
        stored = [*view.material.reveal().values(), *(text.encode() for text in view.annotations.values())]
        clear = [token for token in self.world.backend.refreshed if any(token in one for one in stored)]
        assert not clear, f"S7: a refresh token stands in Secret {view.name} for everybody to read"
        self.minted[view.name] += 1
        values = {key: value for key, value in view.material.reveal().items() if key not in PUBLIC}
        self.values |= {f"{view.name}.{key}": value for key, value in values.items()}
        bundle = view.name.rsplit("-v", 1)[0]
        history = self.world.history.get(bundle, [])
        seen = {shown.number for shown in history}
        now, ledgers = self.world.now(), [one.status.versions for one in self.world.credentials.values()]
        ends = {one.secret_name: one.expiration_time for versions in ledgers for one in versions}
        pending = [
            name
            for name, other in self.world.secrets.items()
            if other.labels.get("rekey.dev/role") == "version"
            and name.rsplit("-v", 1)[0] == bundle
            and int(name.rsplit("-v", 1)[1]) not in seen
            and (ends.get(name) or now + timedelta(1)) > now
        ]
        assert len(pending) <= 1, f"S3: {pending} are pending at once"

    def changed(self, old: SecretView, fresh: SecretView) -> None:
        """S4 and S6: the only version is never taken out of the bundle; only what is ours, or nobody's, is changed."""
        assert old.owner in {None, *(item.uid for item in self.world.credentials.values())}, (
            f"S6: {old.name} is not ours"
        )
        shown = content.shown_versions(fresh.material)
        if fresh.labels.get("rekey.dev/role") == "bundle":
            assert shown[0] is not None, "S4: the bundle shows nothing"

    def deleting(self, view: SecretView) -> None:
        """S2: a version that was shown goes only after its full overlap, and never the current one."""
        owner = next((item for item in self.world.credentials.values() if item.uid == view.owner), None)
        assert owner is not None, f"S6: {view.name} is not ours and was deleted"
        if owner.deleting is not None:
            assert owner.spec.deletion_policy is DeletionPolicy.REVOKE, f"{view.name} was to be retained"
            self.excused = True
        if view.labels.get("rekey.dev/role") != "version" or owner.deleting is not None:
            return
        bundle, text = view.name.rsplit("-v", 1)
        number, spec = int(text), owner.spec
        history = self.world.history.get(bundle, [])
        assert not history or history[-1].number != number, f"S4: version {number} is current and was revoked"
        ends = [after.since for shown, after in pairwise(history) if shown.number == number]
        if not ends:
            return
        if spec.overlap.at_deadline is AtDeadline.REVOKE and ends[-1] + spec.overlap.deadline <= self.world.time:
            self.excused = True
            return
        self._was_not_used(owner, number)
        if spec.renews:
            ended = {item.number: item.expiration_time for item in owner.status.versions}[number]
            assert ended is not None
            asked = self._was_given_up(number, min(shown.since for shown in history if shown.number == number))
            assert ended <= self.world.now() or asked, f"S2: token {number} went before its end"
            return
        assert spec.hold is None or spec.hold.until <= self.world.time, f"S2: version {number} went although on hold"
        if self._was_given_up(number, min(shown.since for shown in history if shown.number == number)):
            return
        left = max(ends[-1], self.last_held.get((bundle, number), ends[-1]))
        assert left + spec.overlap.duration <= self.world.time, f"S2: the overlap of version {number} was cut short"
        failed = any(item.number == number and item.rolled_back for item in owner.status.versions)
        kept = spec.revocation_policy is not RevocationPolicy.AFTER_OVERLAP and not failed
        assert not kept, f"S2: version {number} went although the policy keeps it"

    def _was_not_used(self, owner: Credential, number: int) -> None:
        """U1: of a version that goes it was said last that nobody used it, unless others know it."""
        known = any(item.number == number and item.compromised for item in owner.status.versions)
        if owner.spec.usage is None or known:
            return
        if owner.spec.usage.backend is not None:
            assert number in self.world.backend.said_used, f"U1: version {number} went and nobody was asked who uses it"
            asked, used = self.world.backend.said_used[number]
            unused = used is None or used < asked - owner.spec.usage.quiet
            assert unused, f"U1: version {number} went and it was used at {used}, said its backend at {asked}"
            return
        said = [reading for text, reading in self.world.readings if f'version="{number}"' in text]
        assert said, f"U1: version {number} went and nobody was asked who uses it"
        unused = said[-1].samples is not None and all(sample <= 0 for sample in said[-1].samples)
        assert unused, f"U1: version {number} went and it was said last: {said[-1]}"

    def _was_given_up(self, number: int, since: datetime) -> bool:
        """S1 and S2: what a person asked for may cut the overlap short, and one wish gives up who still holds it."""
        given_up = False
        for request in self.world.asked:
            spec = request.spec
            leaked = spec.reason is RequestReason.COMPROMISE and since < request.created + timedelta(seconds=1)
            if leaked and spec.revoke is RevokeWhen.IMMEDIATELY:
                self.excused = True
            named = spec.reason is RequestReason.REVOKE and spec.version == number
            given_up |= leaked or named
        return given_up

    def restarting(self, credential: Credential, workload: Workload, value: str | None) -> None:
        """S8 and S9: a consumer is restarted once for a version, after it is on record as current."""
        stored = self.world.credentials[credential.key.name].status
        failed = [version for version in stored.versions if version.rolled_back]
        if not failed:
            assert value in _on_record(stored), f"S9: {value} was written before it was on record"
            times = workload.written[credential.key.name, value]
            entry = next((item for item in stored.consumers if item.name == workload.name), None)
            allowed = 1 if entry is not None and str(entry.wanted) == value else 0
            assert times <= allowed, f"S8: {workload.name} was restarted {times + 1} times for version {value}"

    def gone(self, credential: Credential) -> None:
        """S3: nothing is left that nobody owns, unless it was to be retained."""
        for view in self.world.secrets.values():
            assert view.owner != credential.uid, f"S3: {view.name} is owned by what is gone"


def _on_record(status: Status) -> set[str]:
    """Return the versions that a consumer may be moved to: the current one, and what verifiers were told of."""
    published = (version.number for version in status.versions if version.state is State.PUBLISHED)
    return {str(number) for number in (status.current_version, *published)}


def _is_given_up(statuses: list[Status]) -> bool:
    """S1: a ledger says that a leaked version goes at once."""
    found = (version for status in statuses for version in status.versions)
    return any(version.forced and version.compromised is RevokeWhen.IMMEDIATELY for version in found)
