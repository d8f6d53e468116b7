"""What is logged, counted and reported of validations, and that nothing secret is in it."""

import copy
import logging
import pickle
import re
from pathlib import Path
from string import Template

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from uvicorn.logging import AccessFormatter

from rekey.core.usage import KIT
from rekey_client import Kind, Rate, Reason, Redact, Secret
from rekey_client.prometheus import Exported
from tests.kit.values import Opaque, Signing, jwks, row, sha256
from tests.kit.world import World

TOKEN, OTHER = Opaque(), Opaque()


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{record.levelname} {record.getMessage()}" for record in caplog.records]


def test_each_validation_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Reason, credential, version and hashed id; the id itself and the secret are not there."""
    caplog.set_level(logging.INFO, "rekey_client")
    world = World.of(tmp_path, sha256(TOKEN.row(7)))
    hashed = world.ask(TOKEN.bearer).hashed_id
    world.ask(Opaque(id=TOKEN.id).bearer)
    world.verifier.check([])
    assert _lines(caplog) == [
        f"INFO validated: reason=accepted credential=shop/orders version=7 id={hashed} degraded=False",
        f"WARNING validated: reason=invalid credential=- version=- id={hashed} degraded=False",
        "INFO validated: reason=missing credential=- version=- id=- degraded=False",
    ]
    assert len(hashed) == 12
    assert TOKEN.id not in caplog.text


def test_of_a_password_not_even_a_hash_is_logged(tmp_path: Path) -> None:
    """What could be half a password is no id: only whole tokens have one."""
    world = World.of(tmp_path, sha256(row("correct.horse")))
    wrong = [world.ask(f"Bearer {text}").hashed_id for text in ("battery.staple", "x" * 22 + ".y", "word")]
    assert wrong == ["-", "-", "-"]


LOGGED = {
    "a header in a text": ("headers: Authorization: Bearer abc.def.ghi", "headers: Authorization: [redacted]"),
    "a header in a dictionary": ("{'authorization': 'Bearer abc'}", "{'authorization': [redacted]}"),
    "a header as bytes": ("[(b'authorization', b'Basic YTpi')]", "[(b'authorization', [redacted])]"),
    "a field of JSON": ('{"secret": "s3 cr3t", "n": 1}', '{"secret": [redacted], "n": 1}'),
    "a quote within quotes": ('{"secret": "a\\"b", "n": 1}', '{"secret": [redacted], "n": 1}'),
    "another header": ("x-token-secret=abc&n=1", "x-token-secret=[redacted]&n=1"),
    "a header in capitals": ("X-Token-Secret: abc", "X-Token-Secret: [redacted]"),
    "a token by itself": ("sent Bearer abcdefgh.ijkl-mn", "sent Bearer [redacted]"),
    "a percent sign beside it": ("100% secret=abc", "100% secret=[redacted]"),
    "a word that is no value": ("the secret was rotated", "the secret was rotated"),
    "nothing of ours": ("GET /orders 200", "GET /orders 200"),
}


@pytest.mark.parametrize("name", LOGGED)
def test_what_others_log_is_redacted(name: str) -> None:
    """The filter takes out the values and leaves the rest as it is."""
    given, wanted = LOGGED[name]
    for arguments in ((given,), None):
        record = logging.LogRecord("app", logging.INFO, "x.py", 1, "%s" if arguments else given, arguments, None)
        for _ in range(2):  # a record may pass several handlers
            assert Redact().filter(record)
            assert record.getMessage() == wanted


def test_a_formatter_that_wants_the_arguments_gets_them() -> None:
    """An access log of uvicorn, with and without something to hide."""
    formatter = AccessFormatter("%(client_addr)s %(request_line)s %(status_code)s", use_colors=False)
    lines = []
    for path in ("/orders", "/orders?secret=abc&n=1"):
        arguments = ("127.0.0.1:5", "GET", path, "1.1", 200)
        record = logging.LogRecord(
            "uvicorn.access", logging.INFO, "x.py", 1, '%s - "%s %s HTTP/%s" %d', arguments, None
        )
        Redact().filter(record)
        lines.append(formatter.format(record))
    assert lines == [
        "127.0.0.1:5 GET /orders HTTP/1.1 200 OK",
        "127.0.0.1:5 GET /orders?secret=[redacted]&n=1 HTTP/1.1 200 OK",
    ]


def test_extra_fields_and_tracebacks_are_redacted() -> None:
    """Wherever a record may hold it."""
    try:
        raise ValueError("authorization: Bearer abcdefghij")  # noqa: TRY301  it is to be caught
    except ValueError as error:
        caught = (ValueError, error, error.__traceback__)
    record = logging.LogRecord("app", logging.ERROR, "x.py", 1, "failed", (), caught)
    vars(record).update(
        secret="abcdefghij", headers={"X-Token-Secret": "abcdefghij", "n": 1}, x_token_secret="abcdefghij"
    )
    Redact().filter(record)
    assert "abcdefghij" not in logging.Formatter("%(message)s %(secret)s %(headers)s %(x_token_secret)s").format(record)
    assert vars(record)["headers"]["n"] == 1


def test_a_message_whose_arguments_do_not_fit_is_redacted() -> None:
    """A mistake in a log call is no way out either."""
    record = logging.LogRecord("app", logging.INFO, "x.py", 1, "%d %d secret=abc", ("secret=abc",), None)
    Redact().filter(record)
    assert "abc" not in record.getMessage()


def test_a_value_does_not_print() -> None:
    """Text, format, comparison, pickle and copy give nothing away."""
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {secret:>20}" + str([secret])
    assert secret == Secret("hunter2")
    assert secret != Secret("hunter3")
    assert secret != "hunter2"
    for leave in (pickle.dumps, copy.copy, copy.deepcopy, hash, vars):
        with pytest.raises(TypeError):
            leave(secret)


def test_counts_are_by_reason_and_version(tmp_path: Path) -> None:
    """Each validation counts once, for the version it is proven to be of."""
    world = World.of(tmp_path, sha256(TOKEN.row(1), OTHER.row(2)))
    for shown in (TOKEN.bearer, TOKEN.bearer, OTHER.bearer, Opaque().bearer):
        world.ask(shown)
    counts = world.verifier.counters
    assert counts.by_version() == {
        ("accepted", "shop/orders", 1): 2,
        ("accepted", "shop/orders", 2): 1,
        ("unknown", "", None): 1,
    }
    assert counts.by_reason() == {"accepted": 3, "unknown": 1}
    assert counts.latency()[0][-1] == ("+Inf", 4.0)


def test_prometheus_reads_the_counters(tmp_path: Path) -> None:
    """Names, labels and values as a scrape sees them."""
    world = World.of(tmp_path, sha256(TOKEN.row(1)))
    registry = CollectorRegistry()
    registry.register(Exported(world.verifier))
    world.ask(TOKEN.bearer)
    world.mount.write({"verifier.json": b""})
    world.time.pass_(90)
    text = generate_latest(registry).decode()
    for line in (
        'rekey_client_validations_total{credential="shop/orders",reason="accepted",version="1"} 1.0',
        "rekey_client_validation_seconds_count 1.0",
        "rekey_client_staleness_seconds 90.0",
        "rekey_client_degraded 1.0",
    ):
        assert line in text


def test_the_operator_asks_for_what_is_exported(tmp_path: Path) -> None:
    """Metrics and labels of the question that it puts by default are those of a scrape (docs/usage.md)."""
    world = World.of(tmp_path, sha256(TOKEN.row(7)))
    registry = CollectorRegistry()
    registry.register(Exported(world.verifier))
    world.ask(TOKEN.bearer)
    lines = generate_latest(registry).decode().splitlines()
    asked = Template(KIT).substitute(namespace="shop", name="orders", version="7", quiet="30m")
    found = {(name, frozenset(labels.split(","))) for name, labels in re.findall(r"(rekey_\w+)(?:{(.*?)})?", asked)}
    assert len(found) == 2
    for name, labels in found:
        assert any(line.startswith(name) and all(label in line for label in labels) for line in lines), name


def test_labels_do_not_grow_for_ever(tmp_path: Path) -> None:
    """The counts of versions that nobody remembers are dropped."""
    world = World.of(tmp_path, sha256())
    world.verifier._gone.most = 2
    for version in range(1, 11):
        token = Opaque()
        world.deliver(sha256(token.row(version)))
        world.ask(token.bearer)
    assert {version for _, _, version in world.verifier.counters.by_version()} == {8, 9, 10}


def test_a_revoked_token_in_use_is_reported_once_a_minute(tmp_path: Path) -> None:
    """Somebody should hear, and not be flooded."""
    world = World.of(tmp_path, sha256(TOKEN.row(3)))
    world.ask(TOKEN.bearer)
    world.deliver(sha256(OTHER.row(4)))
    for _ in range(60):
        world.ask(TOKEN.bearer)
        world.time.pass_(1)
    assert [(heard.kind, heard.identity and heard.identity.version) for heard in world.anomalies] == [
        (Kind.REVOKED_IN_USE, 3)
    ]
    world.ask(TOKEN.bearer)
    assert len(world.anomalies) == 2


def test_unknown_ids_are_reported(tmp_path: Path) -> None:
    """A kid or a token id that was never known, but at most a hundred in a minute."""
    key = Signing()
    world = World.of(tmp_path, jwks((key, key.row())))
    for number in range(1, 201):
        world.ask("Bearer " + Signing(number=0).sign({"kid": f"made-up-{number}"}))
    assert {heard.kind for heard in world.anomalies} == {Kind.UNKNOWN_ID}
    assert len({heard.hashed_id for heard in world.anomalies}) == 100


def test_more_calls_than_expected_are_reported(tmp_path: Path) -> None:
    """The call after the last expected one is told of, and goes through."""
    world = World.of(tmp_path, sha256(TOKEN.row(), OTHER.row(2)), rate=Rate(3, 10))
    assert {world.reason(TOKEN.bearer) for _ in range(3)} == {Reason.ACCEPTED}
    assert not world.anomalies
    assert world.reason(TOKEN.bearer) is Reason.ACCEPTED
    assert [heard.kind for heard in world.anomalies] == [Kind.EXCESSIVE_CALLS]


def test_more_calls_than_allowed_are_refused(tmp_path: Path) -> None:
    """With `enforce` they wait for the next window; another token is not concerned."""
    world = World.of(tmp_path, sha256(TOKEN.row(), OTHER.row(2)), rate=Rate(3, 10, enforce=True))
    assert [world.reason(TOKEN.bearer) for _ in range(4)] == [*[Reason.ACCEPTED] * 3, Reason.THROTTLED]
    world.time.pass_(4)
    assert world.ask(TOKEN.bearer).retry_after == 6
    assert world.reason(OTHER.bearer) is Reason.ACCEPTED
    world.time.pass_(6)
    assert world.reason(TOKEN.bearer) is Reason.ACCEPTED


def test_who_listens_badly_does_no_harm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An exception of the callback is named and goes no further."""
    world = World.of(tmp_path, sha256(TOKEN.row()))

    def fail(_: object) -> None:
        raise RuntimeError("secret of the listener")

    world.verifier._anomalies._tell = fail  # type: ignore[union-attr]  # there is one
    assert world.reason(OTHER.bearer) is Reason.UNKNOWN
    assert "on_anomaly raised RuntimeError" in caplog.text
    assert "secret of" not in caplog.text
