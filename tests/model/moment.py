"""A namespace at one moment of its recorded history: which credentials, Secrets and workloads there are."""

from dataclasses import dataclass, field
from typing import Any

from tests.e2e.history import Change, Hands, Now

Body = dict[str, Any]
VERSION, BUNDLE = "version", "bundle"


@dataclass
class Moment:
    """What there is, and what was.

    `owners`: every credential there ever was, by uid; `ours`: whose a Secret is or was last, by uid; `was_ours`: the
    object of the last change had been ours before it.
    """

    hands: Hands
    objects: dict[str, dict[str, Body]] = field(default_factory=dict)
    bundles: dict[str, Now] = field(default_factory=dict)
    owners: dict[str, Body] = field(default_factory=dict)
    ours: dict[str, str] = field(default_factory=dict)
    past: list[Change] = field(default_factory=list)
    was_ours: bool = False

    def find(self, resource: str, name: str) -> Body | None:
        """Return the object as it is now."""
        return self.objects.get(resource, {}).get(name)

    def see(self, change: Change) -> None:
        """Let the change happen."""
        there = self.objects.setdefault(change.resource, {})
        self.was_ours = change.body["metadata"]["uid"] in self.ours
        if change.gone:
            there.pop(change.name, None)
        else:
            there[change.name] = change.body
        if change.resource == "rotatedcredentials":
            self.owners[change.body["metadata"]["uid"]] = change.body
            self._follow(target(change.body))
        if change.resource == "secrets" and (uid := owner(change.body)) in self.owners:
            self.ours[change.body["metadata"]["uid"]] = uid
        for now in self.bundles.values():
            now.see(change)
        self.past.append(change)

    def _follow(self, bundle: str) -> None:
        """Follow a bundle from now on; what was before is caught up with."""
        if bundle not in self.bundles:
            self.bundles[bundle] = now = Now(bundle, self.hands)
            for change in self.past:
                now.see(change)

    def credential_of(self, secret: Body) -> Body | None:
        """Return the credential that owns a Secret, or owned it last."""
        uid = owner(secret) or self.ours.get(secret["metadata"]["uid"])
        return self.owners.get(uid) if uid else None

    def is_there(self, credential: Body) -> bool:
        """Tell whether that very credential still exists."""
        found = self.find("rotatedcredentials", credential["metadata"]["name"])
        return found is not None and found["metadata"]["uid"] == credential["metadata"]["uid"]

    def leaves(self, credential: Body) -> bool:
        """Tell whether everything of the credential is being revoked, or it is gone."""
        going = credential["metadata"].get("deletionTimestamp") and policy(credential) == "Revoke"
        return bool(going) or not self.is_there(credential)


def owner(body: Body) -> str:
    """Return the uid of the controller, empty if there is none."""
    references = body["metadata"].get("ownerReferences") or ()
    return next((str(one["uid"]) for one in references if one.get("controller")), "")


def target(credential: Body) -> str:
    """Return the name of a credential's bundle."""
    wanted = (credential["spec"].get("target") or {}).get("secretName")
    return str(wanted or credential["metadata"]["name"])


def policy(credential: Body) -> str:
    """Return what a deletion does."""
    return str(credential["spec"].get("deletionPolicy", "Retain"))


def split(secret: str, bundle: str) -> int | None:
    """Return the number in the name of a version's Secret, None if it is none of this bundle."""
    text = secret.removeprefix(f"{bundle}-v")
    return int(text) if text != secret and text.isdigit() else None


def version_in(credential: Body | None, number: int) -> Body:
    """Return a version as the ledger has it; empty if it has none."""
    found = ((credential or {}).get("status") or {}).get("versions") or ()
    return next((one for one in found if one["number"] == number), {})


def state_in(credential: Body | None, number: int) -> str:
    """Return the state of a version in the ledger; empty if it has none."""
    return str(version_in(credential, number).get("state", ""))


def is_true(credential: Body, kind: str) -> bool:
    """Tell whether the credential's condition is True."""
    found = (credential.get("status") or {}).get("conditions") or ()
    return any(one["type"] == kind and one["status"] == "True" for one in found)
