"""The port `Backend` over IAM: an access key for each version of a credential, whose user has no others of ours.

1. Before a key is made its mark is written to the user, and read back; then the key's id stands in it (`marks`).
   Mark or ledger say which keys are ours; any other is never touched, and where nobody can say a person is asked.
2. Keys are listed before marks are: whatever we made in between has its mark already.
3. A key is deactivated, then deleted, at once: the wait that is due before that is the overlap, in which it is good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_aws import SLOTS
from rekey.errors import NoAnswer, NotAccepted, NotYet, Rejected, RekeyError
from rekey.ports.backend import Claim, Granted, Held, Intent, Traits
from rekey.providers.aws import marks
from rekey.providers.aws.asking import Account, Keys, Refused
from rekey.providers.aws.marks import Key, Mark
from rekey.providers.aws.meaning import SHUT, UNKNOWN, meaning

_TRAITS: Final = Traits(makes_value=True, listable=True, tells_use=True)
_LOOKS: Final = (0.0, 1.0, 2.0, 4.0)  # seconds before each look for a tag that was written: IAM may tell of it late


class AwsAccessKeys:
    """The keys of one user, asked for by `login`."""

    traits = _TRAITS

    def __init__(self, account: Account, login: Keys, user: str, now: Callable[[], datetime]) -> None:
        self._account = account
        self._login = login
        self._user = user
        self._secret = account.server.secret_name
        self._now = now
        self._role: Keys | None = None

    def make(self, intent: Intent) -> Material:
        """Never asked: AWS makes its keys itself."""
        raise TypeError(f"AWS makes the value of {intent.claim.name} itself")

    async def issue(self, intent: Intent, material: Material | None) -> Granted:
        """Make a key; see the port."""
        del material
        claim = intent.claim
        keys, known = await self._look()
        self._demand_alone(claim, known)
        for mark in known:
            if mark.key is None or mark.claim.number == claim.number:
                keys = await self._clear(mark, keys, known)
        if len(keys) >= SLOTS:
            raise self._full(keys, known)
        mark = Mark(claim, self._now(), before=tuple(key.id for key in keys))
        await self._write(mark)
        try:
            await self._demand_written(mark)
            made = (await self._ask("CreateAccessKey", UserName=self._user))["AccessKey"]
        except NoAnswer:
            raise
        except RekeyError:
            await self._erase(mark)  # nothing was made
            raise
        await self._write(replace(mark, key=made["AccessKeyId"]))
        pair = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
        value = Material({name: text.encode() for name, text in pair.items()})
        return Granted(value, backend_id=made["AccessKeyId"])

    async def prove(self, held: Held) -> None:
        """Ask STS who shows it; see the port."""
        about = f"the access key of version {held.claim.number}"
        if held.material is None:
            raise NotAccepted(f"{about} is gone")
        try:
            who = await self._account.ask(Keys(held.material), "sts", "GetCallerIdentity")
        except Refused as error:
            refused = error
        else:
            if who["Arn"].rpartition("/")[2] != self._user:
                raise NotAccepted(f"{about} is not one of user {self._user}")
            return
        if refused.code not in SHUT:
            raise meaning(refused, "GetCallerIdentity", self._user, self._secret)
        if refused.code in UNKNOWN and any(
            mark.key == held.backend_id and mark.is_young(self._now())
            for mark in marks.of(held.claim.owner, await self._marks())
        ):
            raise NotYet(f"{about} is new, and AWS does not know it everywhere yet")
        raise NotAccepted(f"AWS does not accept {about} ({refused.code})")

    async def revoke(self, held: Held) -> None:
        """Deactivate and delete the key, then its marks; see the port."""
        keys, known = await self._look()
        ours = [mark for mark in marks.of(held.claim.owner, known) if mark.claim.number == held.claim.number]
        if held.backend_id is not None and held.backend_id not in {mark.key for mark in ours}:
            _demand_unclaimed(held, held.backend_id, ours, known)
            await self._delete(held.backend_id)
            keys = [key for key in keys if key.id != held.backend_id]
        for mark in ours:
            keys = await self._clear(mark, keys, known)

    async def find(self, owner: str) -> tuple[Claim, ...]:
        """Return what marks tell of the credential; see the port."""
        return tuple({mark.claim.number: mark.claim for mark in marks.of(owner, await self._marks())}.values())

    async def last_used(self, held: Held) -> datetime | None:
        """Ask IAM; see the port.

        Of a key that is gone IAM may say that we may not ask, as of one of another account: the list tells.
        """
        about = f"the access key of version {held.claim.number}"
        keys, known = await self._look()
        ours = [mark for mark in marks.of(held.claim.owner, known) if mark.claim.number == held.claim.number]
        key = held.backend_id or next((mark.key for mark in ours if mark.key is not None), None)
        if key is None:
            why = f"nobody knows which key of user {self._user} is that of version {held.claim.number}: its tag is gone"
            raise Rejected(Reason.BACKEND_REFUSED, why)
        if key not in {one.id for one in keys}:
            if any(mark.is_young(self._now()) for mark in ours):
                raise NotYet(f"{about} is new, and AWS does not know it everywhere yet")
            raise NotAccepted(f"{about} is gone")
        found = await self._ask("GetAccessKeyLastUsed", AccessKeyId=key)
        if found.get("UserName") != self._user:
            raise Rejected(Reason.BACKEND_REFUSED, f"AWS does not say that {about} is one of user {self._user}")
        last: datetime | None = found["AccessKeyLastUsed"].get("LastUsedDate")
        return last

    async def _clear(self, mark: Mark, keys: list[Key], known: Sequence[Mark]) -> list[Key]:
        """See that nothing is left of a mark, and return the keys that are."""
        found = (mark.key,) if mark.key is not None else marks.lost(mark, keys, known)
        if len(found) > 1 or (found and mark.key is None and marks.is_rivalled(mark, known)):
            raise Rejected(
                Reason.BACKEND_REFUSED,
                f"an answer of IAM was lost, and {' and '.join(found)} of user {self._user} appeared then: delete the "
                "one that nobody uses",
            )
        if not found and mark.is_young(self._now()):
            raise NotYet(f"it is not known yet whether a key of user {self._user} was made for an answer was lost")
        for key in found:
            await self._delete(key)
        await self._erase(mark)
        return [key for key in keys if key.id not in found]

    async def _delete(self, key: str) -> None:
        for operation, more in (("UpdateAccessKey", {"Status": "Inactive"}), ("DeleteAccessKey", {})):
            try:
                await self._ask(operation, missing=False, UserName=self._user, AccessKeyId=key, **more)
            except LookupError:
                return

    def _demand_alone(self, claim: Claim, known: Sequence[Mark]) -> None:
        other = next((mark.claim for mark in known if mark.claim.owner != claim.owner), None)
        if other is not None:
            raise Rejected(
                Reason.NAME_TAKEN,
                f"user {self._user} has tags of another credential, {other.namespace}/{other.name}: give each a user "
                "of its own; if that one is gone, delete its key, and the tags that begin with `rekey.dev/`",
            )

    async def _demand_written(self, mark: Mark) -> None:
        for pause in _LOOKS:
            await asyncio.sleep(pause)
            known = await self._marks()
            self._demand_alone(mark.claim, known)
            if mark.tag in {one.tag for one in known}:
                return
        raise NotYet(f"IAM does not tell of the tag yet that was put on user {self._user}")

    async def _look(self) -> tuple[list[Key], tuple[Mark, ...]]:
        """Return all keys and all marks of the user."""
        found = (await self._ask("ListAccessKeys", UserName=self._user))["AccessKeyMetadata"]
        keys = [Key(one["AccessKeyId"], one["CreateDate"]) for one in found]
        return keys, await self._marks()

    async def _marks(self) -> tuple[Mark, ...]:
        tags: list[tuple[str, str]] = []
        more: dict[str, Any] = {}
        while True:
            found = await self._ask("ListUserTags", UserName=self._user, **more)
            tags += [(one["Key"], one["Value"]) for one in found["Tags"]]
            if not found.get("IsTruncated"):
                return marks.read(tags)
            more = {"Marker": found["Marker"]}

    def _full(self, keys: Sequence[Key], known: Sequence[Mark]) -> RekeyError:
        ours = {mark.key: f"version {mark.claim.number}" for mark in known}
        said = ", ".join(f"{key.id} ({ours.get(key.id, 'not of Rekey')})" for key in keys)
        strange = [key.id for key in keys if key.id not in ours]
        ends = "one of them is revoked when its overlap is over, or by a RotationRequest with `reason: Revoke`"
        then = f"delete {' or '.join(strange)}" if strange else ends
        return Rejected(
            Reason.BACKEND_REFUSED, f"user {self._user} has as many access keys as AWS allows, {said}: {then}"
        )

    async def _write(self, mark: Mark) -> None:
        await self._ask("TagUser", UserName=self._user, Tags=[{"Key": mark.tag, "Value": mark.text}])

    async def _erase(self, mark: Mark) -> None:
        await self._ask("UntagUser", UserName=self._user, TagKeys=[mark.tag])

    async def _ask(self, operation: str, *, missing: bool = True, **parameters: object) -> dict[str, Any]:
        """Ask IAM in our name; a LookupError says that what is to be gone is gone, if `missing` is False."""
        try:
            return await self._account.ask(await self._us(), "iam", operation, **parameters)
        except Refused as error:
            refused = error
        if refused.code == "NoSuchEntity" and not missing:
            raise LookupError(operation)
        raise meaning(refused, operation, self._user, self._secret)

    async def _us(self) -> Keys:
        role = self._account.server.role_arn
        if role is None:
            return self._login
        if self._role is None:
            try:
                parameters = {"RoleArn": role, "RoleSessionName": "rekey"}
                found = await self._account.ask(self._login, "sts", "AssumeRole", **parameters)
            except Refused as error:
                refused = error
            else:
                names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
                keys = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
                given = (found["Credentials"][name].encode() for name in names)
                self._role = Keys(Material(dict(zip(keys, given, strict=True))))
                return self._role
            raise meaning(refused, "AssumeRole", self._user, self._secret)
        return self._role


def _demand_unclaimed(held: Held, key: str, ours: Sequence[Mark], known: Sequence[Mark]) -> None:
    """See that no tag contradicts what the version is known by: that stood in a Secret, too, where others may write."""
    theirs = next((mark for mark in known if mark.key == key), None)
    if theirs is None and not any(mark.key for mark in ours):
        return
    number = held.claim.number
    whose = f"that of version {theirs.claim.number}" if theirs is not None else "another than its tag names"
    why = f"version {number} is known by access key {key}, which is {whose}: nothing is revoked"
    raise Rejected(Reason.BACKEND_REFUSED, f"{why}; see `status.versions[].backendId`, and delete its key by hand")
