"""Tokens and passwords, compared by their SHA-256 in constant time.

1. A token's id is no secret: it finds the entries to compare with in a table.
2. What has no id is compared with every entry that has none, and no comparison ends early.
"""

import re
from hmac import compare_digest
from zlib import crc32

from rekey_client.entries import ById, Entry

_ID = 22
_CHECKSUM = 6
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BEGINNING = re.compile(r"(?:[a-z][a-z0-9]{0,15}_)?[0-9A-Za-z]{22}\.[0-9A-Za-z]*")
_TOKEN = re.compile(r"(?:[a-z][a-z0-9]{0,15}_)?[0-9A-Za-z]{22}\.[0-9A-Za-z]{49,694}")


def token_id(value: str) -> str:
    """Return the id of `<prefix><id>.<secret><checksum>`; empty for what has none."""
    head, dot, _ = value.partition(".")
    return head[-_ID:] if dot else ""


def match(tokens: ById, passwords: tuple[Entry, ...], value: str, digest: bytes) -> list[Entry]:
    """Return the entries whose value this is; more than one only where credentials share a value."""
    found = [entry for entry in tokens.get(token_id(value), ()) if compare_digest(entry.digest, digest)]
    if passwords:
        found += [entry for entry in passwords if compare_digest(entry.digest, digest)]
    return found


def is_token(value: str) -> bool:
    """Tell whether it has the shape of a whole token."""
    return _TOKEN.fullmatch(value) is not None


def is_cut(value: str) -> bool:
    """Tell whether it looks like a token whose checksum is wrong: it lost signs, or was mistyped."""
    if not _BEGINNING.fullmatch(value):
        return False
    return not is_token(value) or value[-_CHECKSUM:] != _base62(crc32(value[:-_CHECKSUM].encode()))


def _base62(number: int) -> str:
    found = ""
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(_DIGITS))
        found = _DIGITS[digit] + found
    return found
