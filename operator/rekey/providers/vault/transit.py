"""A key of Vault's transit engine: it wraps data keys there, so that what opens them never is in the cluster.

1. Each operation is one request. Vault sees data keys, and never what is sealed with them.
2. Which version of the key wrapped a data key stands beside it, as Vault told it (`vault:v1:…`).
3. The key is Rekey's alone: it is made by whoever administers Vault, and each scope has one of its own.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, Protocol, TypeVar

from hvac.api.secrets_engines import Transit

from rekey.core.data_key import LENGTH, DataKey
from rekey.core.envelope import Wrapped
from rekey.core.outside import Versions
from rekey.core.reasons import Reason
from rekey.errors import NoAnswer, Rejected
from rekey.providers.vault import answers
from rekey.providers.vault.login import Vault
from rekey.providers.vault.road import Answer, Way

T = TypeVar("T")
_CIPHERTEXT: Final = re.compile(r"vault:(v[1-9][0-9]*):([A-Za-z0-9+/]+={0,2})")
_ELSE: Final = "put the Secret that holds it back as it was, or authorize the credential anew (docs/keys.md)"
_UNREADABLE: Final = {
    r"too old": "that version is disabled there: lower `min_decryption_version`, and what is under it is wrapped anew",
    r"too new": f"there is no such version: the key was made anew, or is another one; restore it, or {_ELSE}",
    r"key not found": f"there is no such key: restore it, or {_ELSE}",
    r"ciphertext|message authentication failed": f"it was not wrapped by it, or was changed since: {_ELSE}",
}


class Reach(Protocol):
    """Has a call made at the server."""

    async def __call__(self, call: Callable[[Vault], Awaitable[T]]) -> T:
        """Return what comes of it."""
        ...


class TransitKeys:
    """A key for each scope: that of the environment by this name, a tenant's with its own behind that."""

    def __init__(self, reach: Reach, mount: str, key: str) -> None:
        self._reach = reach
        self._mount = mount
        self._key = key

    async def encrypt(self, scope: str, key: DataKey) -> Wrapped:
        """Return the data key, encrypted by the newest version."""
        plain = b64encode(key.reveal()).decode()
        call: _Call = lambda at, **where: at.encrypt_data(plaintext=plain, **where)  # noqa: E731  typed
        return _wrapped(await self._ask(scope, call, "encrypt with"))

    async def decrypt(self, scope: str, wrapped: Wrapped) -> DataKey:
        """Return the data key."""
        text = _text(wrapped)
        call: _Call = lambda at, **where: at.decrypt_data(ciphertext=text, **where)  # noqa: E731  typed
        answer = await self._ask(scope, call, "decrypt with", wrapped)
        return _data_key(answers.data(answer).get("plaintext"))

    async def rewrap(self, scope: str, wrapped: Wrapped) -> Wrapped:
        """Return the same data key, encrypted by the newest version; it stays at the server."""
        text = _text(wrapped)
        call: _Call = lambda at, **where: at.rewrap_data(ciphertext=text, **where)  # noqa: E731  typed
        return _wrapped(await self._ask(scope, call, "rewrap with", wrapped))

    async def versions(self, scope: str) -> Versions:
        """Return what there is of the key."""
        found = answers.data(await self._ask(scope, lambda at, **where: at.read_key(**where), "read"))
        try:
            made = {int(number): _instant(told) for number, told in (found.get("keys") or {}).items()}
            first = int(found.get("min_available_version") or 1)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            raise NoAnswer(f"the answer about key {self._name(scope)} does not say which versions there are") from None
        if not made:
            text = f"there is no key {self._name(scope)} at {self._mount}: make it there, with `vault write -f`"
            raise Rejected(Reason.PROVIDER_NOT_READY, f"{text} (docs/keys.md)")
        return Versions(made, first)

    async def rotate(self, scope: str) -> int:
        """Have a new version wrap from now on; return the newest."""
        await self._ask(scope, lambda at, **where: at.rotate_key(**where), "rotate")
        return (await self.versions(scope)).latest

    async def retire(self, scope: str, oldest: int) -> None:
        """Have no version before this one unwrap any more; that can be undone there."""
        await self._configure(scope, min_decryption_version=oldest, min_encryption_version=oldest)

    async def trim(self, scope: str, first: int) -> None:
        """Have every version before this one gone for good; Vault refuses that of one that unwraps."""
        # Vault wants that set before; the newest is what encrypts in any case.
        await self._configure(scope, min_encryption_version=(await self.versions(scope)).latest)
        await self._ask(scope, lambda at, **where: at.trim_key(min_version=first, **where), "trim")

    async def _configure(self, scope: str, **told: int) -> None:
        # hvac's own call refuses two that are the same.
        place = f"/v1/{self._mount}/keys/{self._name(scope)}/config"
        await self._ask(scope, lambda at, **_: at._adapter.post(place, json=told), "configure")  # noqa: SLF001  no other

    async def _ask(self, scope: str, call: _Call, what: str, wrapped: Wrapped | None = None) -> Answer:
        name, mount = self._name(scope), self._mount
        about = f"{what} key {name} of {mount}"
        refused: Callable[[Answer], bool] = lambda one: wrapped is not None and _unreadable(one) is not None  # noqa: E731  typed

        def send(way: Way) -> Awaitable[Answer]:
            return call(Transit(way), name=name, mount_point=mount)

        def may_fail(answer: Answer) -> bool:
            return refused(answer) or answers.is_missing(answer)

        answer = await self._reach(lambda vault: vault.ask(send, about, may_fail=may_fail))
        if wrapped is not None and (why := _unreadable(answer)):
            text = f"a data key that names version {wrapped.key_id} of Vault's transit key {name}: {why}"
            raise Rejected(Reason.STATE_UNREADABLE, text)
        return answer

    def _name(self, scope: str) -> str:
        return f"{self._key}-{scope}" if scope else self._key


class _Call(Protocol):
    """A call of hvac's transit engine, at a key."""

    def __call__(self, at: Transit, **where: str) -> Awaitable[Answer]:
        """Return what is to be awaited."""
        ...


def _text(wrapped: Wrapped) -> str:
    return f"vault:{wrapped.key_id}:{b64encode(wrapped.value).decode()}"


def _wrapped(answer: Answer) -> Wrapped:
    if found := _CIPHERTEXT.fullmatch(str(answers.data(answer).get("ciphertext", ""))):
        with suppress(ValueError):
            return Wrapped(found[1], b64decode(found[2]))
    raise NoAnswer("a data key was to be wrapped, and the answer has no ciphertext")


def _data_key(told: object) -> DataKey:
    plain = bytearray()
    with suppress(ValueError):  # it may quote what it could not read: nothing of it is kept
        plain = bytearray(b64decode(told, validate=True)) if isinstance(told, str) else plain
    if len(plain) != LENGTH:
        raise NoAnswer("a data key was asked for, and the answer has none")
    return DataKey(plain)


def _unreadable(answer: Answer) -> str | None:
    """Return why a data key cannot be opened, if that is what the answer says."""
    if answer.status != HTTPStatus.BAD_REQUEST:
        return None
    said = answers.errors(answer)
    return next((words for text, words in _UNREADABLE.items() if re.search(text, said)), None)


def _instant(told: object) -> datetime:
    """Return when a version was made; keys of two halves say it among other things."""
    if isinstance(told, Mapping):
        return datetime.fromisoformat(str(told["creation_time"])).astimezone(UTC)
    return datetime.fromtimestamp(int(str(told)), UTC)
