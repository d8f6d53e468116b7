"""Values that are drawn: passwords, tokens and HMAC keys.

1. All chance comes from `secrets`; nobody can guess a value of less than 128 bits of it.
2. A password is drawn evenly from all that the rules allow: whole passwords are drawn until one has every
   class, so that no character is placed on purpose and the count of possible passwords is exact.
3. A token reads `<prefix><id>.<secret><checksum>` in base 62. The id is no secret. The checksum is the CRC-32
   of all before it, in six digits, as GitHub's tokens have it: by it a scanner using `SCANNER_PATTERN`
   tells real ones from text that only looks like them.
"""

import json
import re
import secrets
from base64 import b64encode
from itertools import combinations
from math import ceil, log2
from typing import Final, assert_never
from zlib import crc32

from rekey.core.material import Issued, Material
from rekey.core.reasons import Reason
from rekey.core.spec import Encoding, HmacKey, Password, Token
from rekey.core.spec_generate import MINIMUM_BITS
from rekey.errors import Rejected

DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_BYTES: Final = 16
CHECKSUM_DIGITS: Final = 6

SCANNER_PATTERN: Final = r"\b(?:[a-z][a-z0-9]{0,15}_)?[0-9A-Za-z]{22}\.[0-9A-Za-z]{49,694}\b"
"""What scanners look for; with a known prefix it is written in place of the optional group."""


def verify_checksum(token: str) -> bool:
    """Tell whether *token* has the shape and the checksum of one that was made here."""
    if not re.fullmatch(SCANNER_PATTERN, token):
        return False
    return token[-CHECKSUM_DIGITS:] == _checksum(token[:-CHECKSUM_DIGITS])


def token(rules: Token) -> Issued:
    """Return a new token."""
    token_id = _base62(secrets.token_bytes(ID_BYTES))
    body = f"{rules.prefix}{token_id}.{_base62(secrets.token_bytes(rules.bytes))}"
    public = {"token-id": token_id}
    if rules.owner:
        public["owner"] = rules.owner
    if rules.metadata:
        public["metadata"] = json.dumps(rules.metadata, sort_keys=True, separators=(",", ":"))
    return Issued(Material({"token": (body + _checksum(body)).encode()}), public)


def _checksum(text: str) -> str:
    return _in_base62(crc32(text.encode()), CHECKSUM_DIGITS)


def _base62(value: bytes) -> str:
    """Return the bytes in as many digits as the greatest value of that length takes."""
    return _in_base62(int.from_bytes(value), ceil(8 * len(value) / log2(len(DIGITS))))


def _in_base62(number: int, digits: int) -> str:
    found = []
    for _ in range(digits):
        number, digit = divmod(number, len(DIGITS))
        found.append(DIGITS[digit])
    return "".join(reversed(found))


def hmac_key(rules: HmacKey) -> Issued:
    """Return a new HMAC key."""
    key = secrets.token_bytes(rules.bytes)
    match rules.encoding:
        case Encoding.RAW:
            written = key
        case Encoding.HEX:
            written = key.hex().encode()
        case Encoding.BASE64:
            written = b64encode(key)
        case _:
            assert_never(rules.encoding)
    return Issued(Material({"key": written}), {})


def password(rules: Password) -> Issued:
    """Return a new password.

    Raises:
        Rejected: the rules leave too few possible ones.
    """
    alphabets = rules.alphabets()
    _refuse_weak(rules, alphabets)
    signs = "".join(alphabets)
    while True:
        drawn = "".join(secrets.choice(signs) for _ in range(rules.length))
        if all(set(drawn) & set(alphabet) for alphabet in alphabets):
            return Issued(Material({"password": drawn.encode()}), {})


def _refuse_weak(rules: Password, alphabets: tuple[str, ...]) -> None:
    possible = possible_passwords(rules.length, tuple(len(alphabet) for alphabet in alphabets))
    if possible >= 2**MINIMUM_BITS:
        return
    path = "spec.generate.password"
    for kind, alphabet in zip(rules.classes, alphabets, strict=True):
        if not alphabet:
            raise Rejected(Reason.INVALID_SPEC, f"{path}.exclude: no character of class {kind} is left")
    bits = f"give {log2(possible):.0f} bits, at least {MINIMUM_BITS} are needed"
    raise Rejected(Reason.INVALID_SPEC, f"{path}.length: {rules.length} characters of these classes {bits}")


def possible_passwords(length: int, sizes: tuple[int, ...]) -> int:
    """Return how many texts of that length have a character of each class, given the sizes of the classes.

    All texts, less those without some class, plus those without two, and so on.
    """
    return sum(
        (-1) ** left_out * (sum(sizes) - sum(absent)) ** length
        for left_out in range(len(sizes) + 1)
        for absent in combinations(sizes, left_out)
    )
