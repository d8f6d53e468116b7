"""Looking for values where none may be: raw, in base64 at any offset, in hex, and as in a URL."""

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote_from_bytes

from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

SHORTEST = 16


def forms(value: bytes) -> set[bytes]:
    """Return every form of a value that is searched for; short ones would be found by chance."""
    assert len(value) >= SHORTEST, f"a value of {len(value)} bytes cannot be searched for"
    found = {value, value.hex().encode(), value.hex().upper().encode(), quote_from_bytes(value, safe="").encode()}
    for offset in range(3):
        # What is around the value shows in the first and last signs only: the rest is the same wherever it stands.
        for encode in (b64encode, urlsafe_b64encode):
            whole = encode(bytes(offset) + value)
            found.add(whole[-(-offset * 4 // 3) : len(whole) // 4 * 4 - 4])
    return found


def parts(value: bytes) -> set[bytes]:
    """Return the value and what of it is secret alone: half of a token, the numbers of a private key."""
    if b"PRIVATE KEY-----" in value:
        return {value, *_numbers(value)}
    _, dot, secret = value.partition(b".")
    return {value, secret} if dot and len(secret) >= SHORTEST else {value}


def _numbers(pem: bytes) -> set[bytes]:
    """Return the numbers that make a private key, each as bytes: other parts of its file are public."""
    load = load_ssh_private_key if b"OPENSSH" in pem else load_pem_private_key
    key: Any = load(pem, None)
    if hasattr(key, "private_bytes_raw"):
        return {key.private_bytes_raw()}
    numbers = key.private_numbers()
    found = [numbers.private_value] if hasattr(numbers, "private_value") else [numbers.p, numbers.q, numbers.d]
    return {number.to_bytes((number.bit_length() + 7) // 8) for number in found}


def find(where: Mapping[str, str | bytes], values: Iterable[bytes]) -> list[str]:
    """Return the names of the places in which some form of some value stands."""
    sought = {form for value in values for part in parts(value) for form in forms(part)}
    texts = {name: text.encode() if isinstance(text, str) else text for name, text in where.items()}
    # A line of PEM ends in the middle of a number, as an end of line or, in JSON, as its escape.
    joined = {name: (text, text.replace(b"\\n", b"").replace(b"\n", b"")) for name, text in texts.items()}
    return sorted(name for name, both in joined.items() if any(form in text for text in both for form in sought))
