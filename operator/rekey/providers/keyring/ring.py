"""Data keys wrapped by a key ring in a Secret (ports `KeyEncryption` and `Keyrings`).

1. Every operation reads the ring once, and nothing of it is kept: a key that another replica took out of use a moment
   ago wraps nothing, and no key stays in memory longer than an operation takes.
2. The first operation that wraps makes the ring, create-only: of several replicas one makes it, the others use it.
   Only who leads in its namespace may; others wait for it.
3. A wrapped key is bound to its scope and the id of its key. It has a vector of its own, drawn for each wrap.
4. The library for it is imported with the first key: most operators have none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from secrets import token_bytes, token_hex
from typing import TYPE_CHECKING, Final

from rekey.core import keyring
from rekey.core.data_key import LENGTH, DataKey
from rekey.core.envelope import IV, Wrapped
from rekey.core.keyring import Key, Ring, State
from rekey.core.material import Material
from rekey.core.outside import is_outside
from rekey.core.reasons import Reason
from rekey.errors import NotLeading, Rejected, Retryable, Taken
from rekey.ports.cluster import Clock
from rekey.ports.secrets import NewSecret, SecretChange, Secrets, SecretView
from rekey.providers.keyring.stored import LABELS, notes, ring_of, strange

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

DEFAULT_NAME: Final = "rekey-keyring"
MAKER: Final = "rekey"
"""Who made a ring: the first value that had to be sealed asked for it, and no person."""

_SCOPE: Final = re.compile(r"([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?")


@dataclass(frozen=True, slots=True)
class _Read:
    """A ring as it was read, with its keys' bytes."""

    ring: Ring
    material: Material
    where: str


class Keyring:
    """The rings of all scopes, each in a Secret of the operator's namespace."""

    def __init__(self, secrets: Secrets, clock: Clock, namespace: str, name: str = DEFAULT_NAME) -> None:
        self._secrets = secrets
        self._clock = clock
        self._namespace = namespace
        self._name = name

    async def wrap(self, scope: str, key: DataKey) -> Wrapped:
        """Return the data key, encrypted by the enabled key; the first one makes the ring."""
        return _wrap(scope, await self._ensured(scope), key)

    async def unwrap(self, scope: str, wrapped: Wrapped) -> DataKey:
        """Return the data key; whoever asked overwrites it after use."""
        return _unwrap(scope, await self._existing(scope, wrapped), wrapped)

    async def rewrap(self, scope: str, wrapped: Wrapped) -> Wrapped:
        """Return the same data key, encrypted by the enabled key."""
        read = await self._existing(scope, wrapped)
        with _unwrap(scope, read, wrapped) as key:
            return _wrap(scope, read, key)

    async def read(self, scope: str) -> Ring | None:
        """Return the ring by an uncached read; None: nothing was ever sealed in that scope."""
        found = await self._read(scope)
        return found.ring if found is not None else None

    async def ensure(self, scope: str) -> Ring:
        """Return the ring, and make it if there is none."""
        return (await self._ensured(scope)).ring

    async def create(self, scope: str, ring: Ring) -> Ring:
        """Make that ring, or return the one that somebody else made first."""
        return (await self._created(scope, ring)).ring

    def next_id(self, ring: Ring) -> str:
        """Return the id of the next key of a ring."""
        del ring
        return token_hex(8)

    async def write(self, scope: str, before: Ring, after: Ring) -> Ring:
        """Replace the ring as it was read: keys that are new are made, those that are left out are gone for good."""
        if not is_outside(after.primary.id):  # nobody asked for the key to be in the cluster again
            _demand_inside(self._where(scope), before.primary)
        old, new = ({key.id for key in ring.keys if not is_outside(key.id)} for ring in (before, after))
        uid, resource_version = before.revision
        change = SecretChange(
            uid=uid,
            resource_version=resource_version,
            material=_made(new - old),
            drop=frozenset(old - new),
            annotations=notes(scope, after),
        )
        return self._parsed(scope, await self._secrets.change(self._namespace, self.name(scope), change)).ring

    async def _read(self, scope: str) -> _Read | None:
        found = await self._secrets.read(self._namespace, self.name(scope))
        return self._parsed(scope, found) if found is not None else None

    async def _existing(self, scope: str, wrapped: Wrapped) -> _Read:
        found = await self._read(scope)
        if found is None:
            what = f"so what its key {wrapped.key_id} wrapped cannot be opened: restore it from a backup, or authorize "
            what += "the credential anew"
            raise Rejected(Reason.STATE_UNREADABLE, f"{self._where(scope)} is not there, {what} (docs/keys.md)")
        return found

    async def _ensured(self, scope: str) -> _Read:
        found = await self._read(scope)
        if found is not None:
            return found
        return await self._created(scope, keyring.created(token_hex(8), MAKER, self._clock.now()))

    async def _created(self, scope: str, ring: Ring) -> _Read:
        new = NewSecret(
            name=self.name(scope),
            material=_made({key.id for key in ring.keys if not is_outside(key.id)}),
            owner=None,
            immutable=False,
            labels=LABELS,
            annotations=notes(scope, ring),
        )
        try:
            return self._parsed(scope, await self._secrets.create(self._namespace, new))
        except NotLeading as lost:
            raise Retryable(f"{self._where(scope)} is not there yet: who leads in that namespace makes it") from lost
        except Taken as taken:  # by another replica, a moment ago; or it went again
            found = await self._read(scope)
            if found is None:
                raise Retryable(f"{self._where(scope)} comes and goes") from taken
            return found

    def _parsed(self, scope: str, view: SecretView) -> _Read:
        where = self._where(scope)
        if any(len(key) != LENGTH for key in view.material.reveal().values()):
            raise strange(where)
        return _Read(ring_of(scope, view, where), view.material, where)

    def name(self, scope: str) -> str:
        """Return the name of the ring's Secret."""
        if not _SCOPE.fullmatch(scope):
            raise ValueError("a scope is a DNS label, or empty")
        return f"{self._name}-{scope}" if scope else self._name

    def _where(self, scope: str) -> str:
        return f"Secret {self._namespace}/{self.name(scope)}"


def _made(ids: set[str]) -> Material:
    return Material({key_id: token_bytes(LENGTH) for key_id in ids})


def _wrap(scope: str, read: _Read, key: DataKey) -> Wrapped:
    primary, iv = read.ring.primary, token_bytes(IV)
    _demand_inside(read.where, primary)
    return Wrapped(primary.id, iv + _gcm(read, primary).encrypt(iv, key.reveal(), _bound(scope, primary.id)))


def _unwrap(scope: str, read: _Read, wrapped: Wrapped) -> DataKey:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  see 4. above

    key = read.ring.find(wrapped.key_id)
    if key is None:
        what = f"has no key {wrapped.key_id}: it was deleted with its retention over, or the Secret was made anew"
        raise Rejected(Reason.STATE_UNREADABLE, f"{read.where} {what}; restore it or authorize the credential anew")
    if key.state is State.DISABLED:
        what = f"its key {key.id} was disabled: make it DecryptOnly again, what is under it is wrapped anew"
        raise Rejected(Reason.STATE_UNREADABLE, f"{read.where}: {what} (docs/keys.md)")
    _demand_inside(read.where, key)
    iv, ciphertext = wrapped.value[:IV], wrapped.value[IV:]
    plain = bytearray(LENGTH)
    try:
        _gcm(read, key).decrypt_into(iv, ciphertext, _bound(scope, key.id), plain)
    except (InvalidTag, ValueError) as error:  # the latter where the lengths are others
        what = f"a data key that names its key {key.id} was not wrapped by it, or was changed since"
        advice = "put the Secret that holds it back as it was, or authorize the credential anew"
        raise Rejected(Reason.STATE_UNREADABLE, f"{read.where}: {what}; {advice}") from error
    return DataKey(plain)


def _demand_inside(where: str, key: Key) -> None:
    if is_outside(key.id):
        what = f"its key {key.id} is outside the cluster: set REKEY_TRANSIT_PROVIDER as it was (docs/keys.md)"
        raise Rejected(Reason.STATE_UNREADABLE, f"{where}: {what}")


def _gcm(read: _Read, key: Key) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  see 4. above

    return AESGCM(read.material.reveal()[key.id])


def _bound(scope: str, key_id: str) -> bytes:
    return f"rekey keyring\0{scope}\0{key_id}".encode()
