"""Limits as services announce them, in one form."""

import pytest

from rekey_client import RateLimit

NOW = 1_795_255_200.0

HEADERS: dict[str, tuple[dict[str, str], RateLimit]] = {
    "nothing": ({}, RateLimit()),
    "Retry-After in seconds": ({"Retry-After": "7"}, RateLimit(reset=7)),
    "Retry-After as a date": ({"Retry-After": "Sat, 21 Nov 2026 10:00:30 GMT"}, RateLimit(reset=30)),
    "Retry-After in the past": ({"Retry-After": "Sat, 21 Nov 2020 10:00:30 GMT"}, RateLimit(reset=0)),
    "RateLimit-*, seconds": (
        {"RateLimit-Limit": "100, 100;w=60", "RateLimit-Remaining": "3", "RateLimit-Reset": "20"},
        RateLimit(100, 3, 20),
    ),
    "X-RateLimit-*, a date": (
        {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795255260"},
        RateLimit(60, 0, 60),
    ),
    "RateLimit with names": ({"RateLimit": "limit=10, remaining=5, reset=2"}, RateLimit(10, 5, 2)),
    "RateLimit and its policy": (
        {"RateLimit": '"default";r=50;t=30', "RateLimit-Policy": '"default";q=100;w=60'},
        RateLimit(100, 50, 30),
    ),
    "Retry-After before all others": ({"Retry-After": "9", "RateLimit-Reset": "20"}, RateLimit(reset=9)),
    "nonsense": ({"Retry-After": "soon", "RateLimit-Limit": "many", "X-RateLimit-Reset": "-1"}, RateLimit()),
    "a number without end": (
        {"RateLimit-Remaining": "9" * 5000, "Retry-After": "9" * 5000},
        RateLimit(None, 10**12 - 1),
    ),
}


@pytest.mark.parametrize("name", HEADERS)
def test_the_headers_say(name: str) -> None:
    """Limit, remaining and seconds until there are more."""
    headers, wanted = HEADERS[name]
    assert RateLimit.of(headers, NOW) == wanted
