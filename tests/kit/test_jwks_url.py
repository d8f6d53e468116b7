"""A published key set: when it is asked for, what is sent, and what is believed."""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rekey_client import Insecure, Reason, Verifier
from rekey_client.jwks_url import JwksUrl
from tests.kit.values import Signing, Time, jwks

KEY, OTHER = Signing(), Signing(number=1)


def _set(*keys: Signing) -> bytes:
    return jwks(*((key, key.row()) for key in keys))["jwks.json"]


@dataclass
class Published:
    """A server on this machine that answers as a test says, and remembers what it was asked."""

    body: bytes = field(default_factory=lambda: _set(KEY))
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Cache-Control": "max-age=60"})
    asked: list[dict[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/jwks.json"


@pytest.fixture
def published() -> Iterator[Published]:
    """A server for one test."""
    state = Published()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(dict(self.headers))
            etag = state.headers.get("ETag")
            known = etag is not None and self.headers.get("If-None-Match") == etag
            self.send_response(304 if known else state.status)
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if not known:
                self.wfile.write(state.body)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield state
        server.shutdown()
        thread.join()


def _verifier(published: Published, time: Time) -> tuple[Verifier, JwksUrl]:
    source = JwksUrl(published.url, clock=time.clock)
    return Verifier(source, audience="api", max_stale=600, clock=time.clock), source


def _reason(verifier: Verifier, key: Signing) -> Reason:
    return verifier.check([f"Bearer {key.sign()}"]).reason


def test_the_first_request_fetches_and_no_other_does(published: Published) -> None:
    """However many requests there are, the set is asked for once until its time has come."""
    verifier, source = _verifier(published, Time())
    assert not published.asked
    assert [_reason(verifier, KEY) for _ in range(20)] == [Reason.ACCEPTED] * 20
    assert len(published.asked) == 1
    source.close()


def test_an_unchanged_set_is_not_sent_again(published: Published) -> None:
    """The ETag goes back to the server; its 304 counts as fresh."""
    published.headers["ETag"] = '"v1"'
    time = Time()
    verifier, source = _verifier(published, time)
    assert source.refresh() > 0
    time.pass_(500)
    source.refresh()
    assert [asked.get("If-None-Match") for asked in published.asked] == [None, '"v1"']
    time.pass_(500)
    source.miss(time.steady)
    assert verifier.health().usable
    source.close()


AGES = {
    "max-age is kept, a little less": ({"Cache-Control": "public, max-age=60"}, 54, 60),
    "max-age of a second is too often": ({"Cache-Control": "max-age=1"}, 9, 10),
    "max-age of a year is too seldom": ({"Cache-Control": "max-age=31536000"}, 3240, 3600),
    "no-store asks as often as is decent": ({"Cache-Control": "no-store"}, 10, 10),
    "nothing said is five minutes": ({}, 270, 300),
    "nonsense is five minutes": ({"Cache-Control": "max-age=-1"}, 270, 300),
}


@pytest.mark.parametrize("name", AGES)
def test_the_server_says_when_to_ask_again(name: str, published: Published) -> None:
    """Cache-Control within bounds."""
    published.headers, least, most = dict(AGES[name][0]), *AGES[name][1:]
    assert least <= JwksUrl(published.url).refresh() <= most


def test_pauses_grow_while_it_fails(published: Published) -> None:
    """1 s, 2 s, 4 s … 30 s, each up to a tenth less; a success starts over."""
    published.status = 500
    source = JwksUrl(published.url)
    pauses = [source.refresh() for _ in range(7)]
    assert all(most * 0.9 <= pause <= most for pause, most in zip(pauses, (1, 2, 4, 8, 16, 30, 30), strict=True))
    published.status = 200
    source.refresh()
    published.status = 500
    assert source.refresh() <= 1


BAD: dict[str, dict[str, Any]] = {
    "an error": {"status": 503},
    "a page": {"body": b"<html>"},
    "half a set": {"body": _set(KEY)[:-10]},
    "deep JSON": {"body": b"[" * 100_000},
    "a set of two megabytes": {"body": b" " * (2 << 20)},
    "a redirect": {"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}},
    "a private key": {"body": _set(KEY).replace(b'"use"', b'"d": "AAAA", "use"')},
    "a symmetric key": {"body": b'{"keys":[{"kty":"oct","kid":"a","k":"AAAA"}]}'},
    "a 304 that nobody asked for": {"status": 304},
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_bad_never_replaces_what_was_good(name: str, published: Published) -> None:
    """The last good keys stay in use, marked degraded, until they are too old; then recovery is at the next fetch."""
    time = Time()
    verifier, source = _verifier(published, time)
    source.refresh()
    good = Published()
    for field_name, value in BAD[name].items():
        setattr(published, field_name, value)
    source.refresh()
    token = f"Bearer {KEY.sign()}"
    source._process = os.getpid()  # the thread would mend it behind the test's back
    found = verifier.check([token])
    assert (found.reason, found.degraded) == (Reason.ACCEPTED, True)
    time.steady += 601
    assert verifier.check([token]).reason is Reason.UNAVAILABLE
    published.status, published.body, published.headers = good.status, good.body, good.headers
    source.refresh()
    found = verifier.check([token])
    assert (found.reason, found.degraded) == (Reason.ACCEPTED, False)


def test_keys_that_cannot_be_used_are_left_out(published: Published) -> None:
    """A set may hold keys for others: encryption, unknown algorithms, too short ones."""
    strange = [
        KEY.jwk | {"kid": "enc", "use": "enc"},
        KEY.jwk | {"kid": "alg", "alg": "ES512"},
        KEY.jwk | {"kid": "wrong", "alg": "RS256"},
        {"kty": "new", "kid": "new"},
        {name: value for name, value in KEY.jwk.items() if name != "kid"},
        {name: value for name, value in OTHER.jwk.items() if name != "alg"},
    ]
    published.body = json.dumps({"keys": [*strange, KEY.jwk]}).encode()
    source = JwksUrl(published.url)
    source.refresh()
    assert set(source._trust.table.keys) == {KEY.kid, OTHER.kid}


def test_an_unknown_kid_asks_once_in_thirty_seconds(published: Published) -> None:
    """Strangers with made-up kids cannot make it ask more often, and no request waits for it."""
    time = Time()
    verifier, source = _verifier(published, time)
    assert _reason(verifier, KEY) is Reason.ACCEPTED
    source.close()  # no thread: what it would do is looked at here
    wakes = 0
    for _ in range(61):
        source._wake.clear()
        assert _reason(verifier, OTHER) is Reason.UNKNOWN
        wakes += source._wake.is_set()
        time.pass_(1)
    assert wakes == 3
    assert len(published.asked) == 1


def test_a_new_key_is_found_in_the_background(published: Published) -> None:
    """A token with a kid that is not known yet wakes the thread; soon after the key is there."""
    verifier, source = _verifier(published, Time())
    assert _reason(verifier, KEY) is Reason.ACCEPTED
    published.body = _set(KEY, OTHER)
    _until(lambda: _reason(verifier, OTHER) is Reason.ACCEPTED)
    source.close()


def _until(look: Any) -> None:
    for _ in range(5000):
        if look():
            return
        threading.Event().wait(0.002)
    raise AssertionError("it did not come")


ADDRESSES = {
    "http to another machine": "http://keys.test/jwks.json",
    "another scheme": "file:///etc/passwd",
    "a user in it": "https://user:pass@keys.test/",
    "a host that only begins like this machine": "http://127.0.0.1.evil.test/",
    "localhost of somebody else": "http://localhost.evil.test/",
    "no host": "https:///jwks.json",
    "no address": "[",
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_only_safe_addresses(name: str) -> None:
    """Keys that come in the clear are anybody's keys."""
    with pytest.raises(Insecure):
        JwksUrl(ADDRESSES[name])
