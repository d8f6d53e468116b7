"""A sealed value: state that consumers must not see, encrypted, as one line of text that may stand in a Secret.

    rk1.<key id>.<wrapped data key>.<initialisation vector>.<ciphertext and tag>      (the last three in base64url)

1. AES-256-GCM. The vector is drawn in `lock`; the data key is fresh for that one write, and used up by it.
2. The ciphertext is bound to its place: moved to another credential, version or purpose it does not open.
3. The wrapped key is not bound to the ciphertext, so that another key can wrap it while the ciphertext stays as it is.
   (That is why this is no JWE: there the header with the wrap's own vector and tag is authenticated as well.)
4. Nothing here quotes what it refuses: it may be the secret itself, put there by mistake. Who asks says where it stood.
5. The library for it is imported when the first value is sealed: most operators never do.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from secrets import token_bytes
from typing import TYPE_CHECKING, Final

from rekey.core.data_key import DataKey
from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.errors import Rejected

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT: Final = "rk1"
IV: Final = 12
TAG: Final = 16
KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PART: Final = r"((?:[A-Za-z0-9_-]{4})*[A-Za-z0-9_-]{2,4})"
_SEALED: Final = re.compile(rf"{FORMAT}\.({KEY_ID.pattern})\.{_PART}\.{_PART}\.{_PART}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value belongs: a credential by its uid, a version of it, and what the value is for."""

    uid: str
    version: int
    purpose: str

    def __str__(self) -> str:
        return f"{self.purpose} of version {self.version} of credential {self.uid}"


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A data key, encrypted by the key of that id; what is in it only the one who wrapped it knows."""

    key_id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Locked:
    """What was encrypted, without its key."""

    iv: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed value."""

    wrapped: Wrapped
    locked: Locked

    def text(self) -> str:
        """Return it as it is stored."""
        binary = (self.wrapped.value, self.locked.iv, self.locked.ciphertext)
        return ".".join((FORMAT, self.wrapped.key_id, *map(_written, binary)))


def parse(text: str) -> Sealed:
    """Return what is stored.

    Raises:
        Rejected: it is no sealed value, or one of a format that came later.
    """
    found = _SEALED.fullmatch(text)
    if found is not None:
        key_id, *parts = found.groups()
        wrapped, iv, ciphertext = (urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts)
        sealed = Sealed(Wrapped(key_id, wrapped), Locked(iv, ciphertext))
        # Of several texts that decode to the same bytes one is ours.
        if len(iv) == IV and len(ciphertext) >= TAG and sealed.text() == text:
            return sealed
    what = "it was changed, cut off, or written by a newer Rekey: run that one"
    raise Rejected(Reason.STATE_UNREADABLE, f"it is not sealed as {FORMAT}: {what}, {_OTHERWISE}")


def lock(key: DataKey, state: Material, place: Place) -> Locked:
    """Return the state encrypted by a fresh key, which is overwritten: nothing else is ever encrypted by it."""
    iv = token_bytes(IV)
    plain = json.dumps({name: b64encode(value).decode() for name, value in state.reveal().items()}).encode()
    with key:
        return Locked(iv, _gcm(key).encrypt(iv, plain, _bound(place)))


def unlock(key: DataKey, locked: Locked, place: Place) -> Material:
    """Return the state.

    Raises:
        Rejected: key, vector, ciphertext or place is another one.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  see 5. above

    try:
        plain = json.loads(_gcm(key).decrypt(locked.iv, locked.ciphertext, _bound(place)))
    except InvalidTag as error:
        what = "it was changed, or moved here from elsewhere: put the Secret back as it was"
        raise Rejected(Reason.STATE_UNREADABLE, f"what is sealed does not open: {what}, {_OTHERWISE}") from error
    return Material({name: b64decode(value) for name, value in plain.items()})


_OTHERWISE: Final = "or authorize the credential anew (docs/keys.md)"


def _gcm(key: DataKey) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  see 5. above

    return AESGCM(key.reveal())


def _bound(place: Place) -> bytes:
    return json.dumps([FORMAT, place.uid, place.version, place.purpose]).encode()


def _written(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")
