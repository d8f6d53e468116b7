"""Looking for values where none may be: raw, in base64 at any offset, in hex, and as in a URL."""

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from urllib.parse import quote_from_bytes

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
    """Return the value and, of a token, the half that is secret: a log may show that alone."""
    _, dot, secret = value.partition(b".")
    return {value, secret} if dot and len(secret) >= SHORTEST else {value}


def find(where: Mapping[str, str | bytes], values: Iterable[bytes]) -> list[str]:
    """Return the names of the places in which some form of some value stands."""
    sought = {form for value in values for part in parts(value) for form in forms(part)}
    texts = {name: text.encode() if isinstance(text, str) else text for name, text in where.items()}
    return sorted(name for name, text in texts.items() if any(form in text for form in sought))
