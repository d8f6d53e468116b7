"""What strangers send and what disks do: refused without an exception, and nothing of it is shown anywhere."""

import contextlib
import hashlib
import hmac
import json
import logging
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekey_client import Directories, Reason, Unreadable, Verifier, answer
from rekey_client.asgi import RekeyMiddleware
from rekey_client.entries import Reader
from rekey_client.keys import from_url
from tests.kit.asgi import call
from tests.kit.mount import Mount
from tests.kit.values import NOW, Opaque, Signing, Time, jwks, sha256

KEY, RSA = Signing(), Signing("RS256")
TOKEN = Opaque()
MARK = "HOSTILE7777"
"""Stands in everything below that is long enough; it must not come out again."""


def _b64(content: bytes | str) -> str:
    data = content.encode() if isinstance(content, str) else content
    return urlsafe_b64encode(data).decode().rstrip("=")


def _jwt(header: Any, claims: Any = None, signature: bytes = b"x" * 64) -> str:
    said = {"exp": NOW + 60, "aud": "api", "mark": MARK} if claims is None else claims
    return ".".join([_b64(json.dumps(header)), _b64(json.dumps(said)), _b64(signature)])


def _hs256(secret: bytes, kid: str) -> str:
    body = _jwt({"alg": "HS256", "kid": kid}).rpartition(".")[0]
    return f"{body}.{_b64(hmac.digest(secret, body.encode(), hashlib.sha256))}"


def _raw(header: bytes, claims: bytes = b"{}") -> str:
    return f"{_b64(header)}.{_b64(claims)}.{_b64(b'x' * 64)}"


def _resigned(claims: bytes) -> str:
    """Return claims that are hostile and signed by the true key."""
    return pyjwt.api_jws.encode(claims, KEY.key, "ES256", headers={"kid": KEY.kid})


def _with_another_algorithm() -> str:
    """Return what the true key signed, in a way that is not the key's."""
    return pyjwt.encode({"exp": int(NOW) + 60, "aud": "api"}, RSA.key, "PS256", headers={"kid": RSA.kid})


DEEP = b"[" * 5000 + b"]" * 5000
KID = KEY.kid

HEADERS: dict[str, list[bytes]] = {
    "no value": [b""],
    "only blanks": [b"   "],
    "a scheme alone": [b"Bearer "],
    "a header of a megabyte": [b"Bearer " + MARK.encode() * 100_000],
    "a header of one byte too many": [b"Bearer " + b"a" * (16 * 1024 - 6)],
    "a token of sixteen kilobytes": [b"Bearer " + b"a" * (16 * 1024 - 7)],
    "ten thousand dots": [b"Bearer " + b"." * 10_000],
    "two headers, both true": [TOKEN.bearer.encode()] * 2,
    "two headers, one true": [TOKEN.bearer.encode(), b"Bearer " + MARK.encode()],
    "two headers that a server joined": [f"{TOKEN.bearer}, Bearer {MARK}".encode()],
    "a NUL after the token": [TOKEN.bearer.encode() + b"\0"],
    "a NUL in the token": [b"Bearer " + TOKEN.value.encode().replace(b".", b"\0.")],
    "a line break after the token": [TOKEN.bearer.encode() + b"\r\nX-Evil: 1"],
    "a tab instead of a blank": [TOKEN.bearer.encode().replace(b" ", b"\t")],
    "bytes that are no UTF-8": [b"Bearer \xff\xfe" + MARK.encode()],
    "letters of other scripts": ["Bearer жетон".encode()],
    "digits of other scripts in the id": [f"Bearer {'٣' * 22}.{'a' * 49}".encode()],
    "Basic that is no base64": [b"Basic !!!!" + MARK.encode()],
    "Basic with bytes above ASCII": [b"Basic /////w=="],
    "Basic with a NUL": [b"Basic YTpiAGM="],
    "Digest": [f'Digest username="{MARK}"'.encode()],
    "a format string": [b"Bearer %s%n%(secret)s{0.__class__}" + MARK.encode()],
    "alg none": [b"Bearer " + _jwt({"alg": "none", "kid": KID}, signature=b"").encode()],
    "alg nOnE": [b"Bearer " + _jwt({"alg": "nOnE", "kid": KID}).encode()],
    "alg missing": [b"Bearer " + _jwt({"kid": KID}).encode()],
    "alg a list": [b"Bearer " + _jwt({"alg": ["ES256"], "kid": KID}).encode()],
    "HS256 with the public PEM": [b"Bearer " + _hs256(RSA.public_pem, RSA.kid).encode()],
    "HS256 with the public JWK": [b"Bearer " + _hs256(json.dumps(RSA.jwk).encode(), RSA.kid).encode()],
    "another algorithm of the same key": [b"Bearer " + _with_another_algorithm().encode()],
    "a kid that nobody knows": [b"Bearer " + _jwt({"alg": "ES256", "kid": MARK}).encode()],
    "a kid that is a path": [b"Bearer " + _jwt({"alg": "ES256", "kid": "../../etc/passwd"}).encode()],
    "a kid that is a number": [b"Bearer " + _jwt({"alg": "ES256", "kid": 7}).encode()],
    "a kid with half a surrogate": [b"Bearer " + _raw(b'{"alg":"ES256","kid":"\\ud800"}').encode()],
    "no kid": [b"Bearer " + _jwt({"alg": "ES256"}).encode()],
    "a key of its own": [b"Bearer " + Signing(number=9).sign({"kid": KID, "jwk": Signing(number=9).jwk}).encode()],
    "an address for the key": [b"Bearer " + _jwt({"alg": "ES256", "kid": KID, "jku": "http://evil.test"}).encode()],
    "a critical extension": [b"Bearer " + KEY.sign({"crit": ["exp"]}).encode()],
    "two algorithms": [b"Bearer " + _raw(b'{"alg":"none","alg":"ES256","kid":"' + KID.encode() + b'"}').encode()],
    "a header that is deep JSON": [b"Bearer " + _raw(DEEP[:4000]).encode()],
    "a header that is no JSON": [b"Bearer " + _raw(b"{").encode()],
    "a header that is a list": [b"Bearer " + _raw(b"[]").encode()],
    "a header that is no base64": [b"Bearer a.b.c"],
    "signed claims that are deep JSON": [b"Bearer " + _resigned(DEEP[4000:6000]).encode()],
    "signed claims that are a list": [b"Bearer " + _resigned(b"[]").encode()],
    "signed claims that are no UTF-8": [b"Bearer " + _resigned(b"\xff").encode()],
    "signed claims with NaN": [b"Bearer " + _resigned(b'{"exp":NaN}').encode()],
    "signed claims that expire at 1e999": [b"Bearer " + _resigned(b'{"exp":1e999,"aud":"api"}').encode()],
    "signed claims with a number of 5000 digits": [b"Bearer " + _resigned(b'{"exp":' + b"9" * 5000 + b"}").encode()],
    "signed claims that expire at true": [b"Bearer " + _resigned(b'{"exp":true,"aud":"api"}').encode()],
    "signed claims that expire twice": [b"Bearer " + _resigned(b'{"exp":1,"exp":9999999999,"aud":"api"}').encode()],
    "a signature that is cut": [b"Bearer " + KEY.sign().encode()[:-4]],
    "a signature of zeros": [b"Bearer " + _jwt({"alg": "ES256", "kid": KID}, signature=b"\0" * 64).encode()],
    "five parts, as an encrypted token has": [b"Bearer " + b".".join([b"e30"] * 5)],
}


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    """A verifier of one token and two keys."""
    folder = tmp_path_factory.mktemp("hostile")
    tokens = Mount(folder / "tokens", sha256(TOKEN.row()))
    keys = Mount(folder / "keys", jwks((KEY, KEY.row()), (RSA, RSA.row(2))))
    clock = Time().clock
    return Verifier(Directories([tokens.path, keys.path], clock=clock), audience="api", clock=clock)


def test_there_is_something_to_refuse(verifier: Verifier) -> None:
    """The true token and the true JWTs are accepted, so the refusals below mean something."""
    for true in (TOKEN.bearer, f"Bearer {KEY.sign()}", f"Bearer {RSA.sign()}"):
        assert verifier.check([true]).accepted


@pytest.mark.parametrize("name", HEADERS)
def test_what_strangers_send_is_refused(name: str, verifier: Verifier, caplog: pytest.LogCaptureFixture) -> None:
    """Refused with an answer, and neither the answer nor the log shows any of it."""
    caplog.set_level(logging.DEBUG)
    status, headers, body = call(RekeyMiddleware(unreachable, verifier), HEADERS[name])
    assert status in {400, 401}
    assert headers["www-authenticate"].startswith('Bearer realm="rekey", error="invalid_')
    lines = [record for record in caplog.records if record.name == "rekey_client"]
    assert len(lines) == 1
    assert MARK not in caplog.text + body + str(headers)
    assert all(TOKEN.secret not in text for text in (caplog.text, body, str(headers)))


async def unreachable(scope: Any, receive: Any, send: Any) -> None:
    """Be the application, which is not to hear of this."""
    raise AssertionError("let through")


@given(st.lists(st.one_of(st.binary(max_size=200), st.text(max_size=200)), max_size=3))
def test_any_bytes_come_to_an_outcome(values: list[str | bytes]) -> None:
    """Whatever the values are, there is one of the closed list of reasons and an answer to it."""
    outcome = Verifier(Directories([])).check(values)
    assert outcome.reason is not Reason.ACCEPTED
    assert answer(outcome).status >= 400


@given(st.sampled_from([b"Bearer ", b"bearer ", b"Basic "]), st.binary(max_size=120))
def test_any_credential_comes_to_an_outcome(verifier: Verifier, scheme: bytes, rest: bytes) -> None:
    """Behind the scheme may stand what will."""
    assert not verifier.check([scheme + rest]).accepted


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
def test_any_three_parts_come_to_an_outcome(verifier: Verifier, one: bytes, two: bytes, three: bytes) -> None:
    """What has the shape of a JWT may hold what will."""
    assert not verifier.check([f"Bearer {_b64(one)}.{_b64(two)}.{_b64(three)}"]).accepted


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["RSA", "EC", "AQAB"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "kid", "x"]), inner, max_size=3),
    max_leaves=6,
)
NAMES = ["kid", "kty", "alg", "use", "crv", "x", "y", "n", "e", "k", "d", "credential", "version", "id", "sha256"]
NAMES += ["client", "scopes", "audience", "expires"]
ROWS = st.lists(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6), max_size=3) | JSON
CHANGES = st.dictionaries(st.sampled_from(NAMES), JSON, min_size=1, max_size=2)


@given(ROWS, st.sampled_from([KEY.jwk, RSA.jwk, Signing("EdDSA").jwk]), CHANGES)
def test_any_key_set_is_a_table_or_unreadable(rows: Any, key: dict[str, Any], changes: dict[str, Any]) -> None:
    """Whatever a server publishes, nothing but `Unreadable` is raised: nonsense, and a true key with nonsense in it."""
    for keys in (rows, [key | changes]):
        with contextlib.suppress(Unreadable):
            from_url(json.dumps({"keys": keys}).encode())


@given(st.sampled_from(["SHA256", "JWKS", "HMAC"]), ROWS, CHANGES, ROWS)
def test_any_verifier_secret_is_a_table_or_unreadable(form: str, rows: Any, changes: dict[str, Any], keys: Any) -> None:
    """The same for the files of a folder."""
    ring = json.dumps({"keys": keys}).encode()
    for entries in (rows, [TOKEN.row() | changes]):
        content = json.dumps({"format": form, "entries": entries}).encode()
        with contextlib.suppress(Unreadable):
            Reader().read({"verifier.json": content, "jwks.json": ring, "keyring.json": ring})


def _write(content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "verifier.json").write_bytes(content)


def _instead(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "verifier.json").unlink()
        make(folder / "verifier.json")

    return change


def _held_pipe(file: Path) -> None:
    os.mkfifo(file)
    os.open(file, os.O_RDWR)  # stays open as long as this process lives


GOOD_ROW = TOKEN.row()


def _rows(**changed: Any) -> bytes:
    return sha256(GOOD_ROW | changed)["verifier.json"]


DISKS: dict[str, Callable[[Path], object]] = {
    "half a file": _write(sha256(GOOD_ROW)["verifier.json"][:-20]),
    "an empty file": _write(b""),
    "a file of NULs": _write(b"\0" * 100),
    "a file that is no UTF-8": _write(b"\xff\xfe"),
    "deep JSON": _write(DEEP),
    "a list": _write(b"[]"),
    "no entries": _write(b'{"format":"SHA256"}'),
    "entries that are numbers": _write(b'{"format":"SHA256","entries":[1]}'),
    "another format": _write(b'{"format":"CABundle","entries":[]}'),
    "keys whose set is missing": _write(json.dumps({"format": "JWKS", "entries": [KEY.row()]}).encode()),
    "a hash that is cut": _write(_rows(sha256="ab")),
    "a hash that is a number": _write(_rows(sha256=7)),
    "a version that is a text": _write(_rows(version="7")),
    "a version that is true": _write(_rows(version=True)),
    "a name with a line break": _write(_rows(credential="a\nb")),
    "scopes that are a text": _write(_rows(scopes="read")),
    "an expiry without a zone": _write(_rows(expires="2026-11-21T10:00:00")),
    "an expiry that is no time": _write(_rows(expires="soon")),
    "a file of five megabytes": _write(b" " * (5 << 20)),
    "no file": lambda folder: (folder / "verifier.json").unlink(),
    "a folder in its place": _instead(Path.mkdir),
    "a pipe that nobody writes": _instead(os.mkfifo),
    "a pipe that somebody holds open": _instead(_held_pipe),
    "a link to itself": _instead(lambda file: file.symlink_to(file)),
    "a link to nowhere": _instead(lambda file: file.symlink_to("/nowhere/at/all")),
    "a link to a device": _instead(lambda file: file.symlink_to("/dev/zero")),
    "a link to a program's memory": _instead(lambda file: file.symlink_to("/proc/self/mem")),
}


@pytest.mark.parametrize("name", DISKS)
def test_what_disks_do_never_replaces_what_was_good(name: str, tmp_path: Path) -> None:
    """The last good content stays in use, marked degraded, and the next good file ends that."""
    time, whole = Time(), sha256(GOOD_ROW)["verifier.json"]
    (tmp_path / "verifier.json").write_bytes(whole)
    verifier = Verifier(Directories([tmp_path], clock=time.clock), clock=time.clock)
    assert not verifier.check([TOKEN.bearer]).degraded
    DISKS[name](tmp_path)
    time.pass_(1)
    found = verifier.check([TOKEN.bearer])
    assert (found.reason, found.degraded) == (Reason.ACCEPTED, True)
    _mend(tmp_path, whole)
    time.pass_(1)
    found = verifier.check([TOKEN.bearer])
    assert (found.reason, found.degraded) == (Reason.ACCEPTED, False)


def _mend(folder: Path, content: bytes) -> None:
    file = folder / "verifier.json"
    if file.is_dir() and not file.is_symlink():
        file.rmdir()
    elif file.is_symlink() or file.exists():
        file.unlink()
    file.write_bytes(content)
