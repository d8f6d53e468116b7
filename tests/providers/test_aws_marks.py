"""Whose an access key is: what marks say, what nobody can say, and by whom AWS is known."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_aws import AwsServer
from rekey.errors import NoAnswer, Rejected, RekeyError, Retryable
from rekey.ports.backend import Claim
from rekey.providers.aws import marks
from rekey.providers.aws.asking import Account, Keys
from rekey.providers.aws.backend import AwsAccessKeys
from rekey.providers.aws.marks import Key, Mark
from rekey.providers.aws.wire import Service
from rekey.providers.http.allowed import Allowed
from tests.providers.aws import Aws, aws
from tests.providers.cutting_http import between
from tests.providers.making import make
from tests.providers.test_aws import UID, anew, claim, held, intent, late, port
from tests.providers.test_http import end

pytestmark = pytest.mark.xdist_group("aws")
__all__ = ["aws"]

THEN = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
OTHERS = "0f1e2d3c-0000-4000-8000-000000000002"
MARK = Mark(claim(7), THEN, before=("AKIAOLD",))
MARKS = {
    "keys that were there": MARK,
    "no key was there": Mark(claim(), THEN),
    "two were": Mark(claim(), THEN, before=("AKIAONE", "AKIATWO")),
    "the key that was made": Mark(claim(12), THEN + timedelta(milliseconds=7), key="AKIANEW"),
}


@pytest.mark.parametrize("case", MARKS)
def test_read_as_written(case: str) -> None:
    """A mark is what its tag says, and fits into one."""
    mark = MARKS[case]
    assert marks.read([(mark.tag, mark.text)]) == (mark,)
    assert len(mark.tag) <= 128


def test_a_long_name_is_cut() -> None:
    """What is known by its uid is still known; IAM admits 256 characters."""
    long = Mark(Claim(UID, "a" * 63, "b" * 253, 1), THEN, before=("AKIA" + "X" * 16,))
    (found,) = marks.read([(long.tag, long.text)])
    assert len(long.text) == 256
    assert (found.tag, found.before, found.claim.namespace) == (long.tag, long.before, "a" * 63)


STRANGE = {
    "a team's tag": ("team", "shop"),
    "a number that is none": (f"rekey.dev/{UID}/one/1", "key=AKIA orders/db"),
    "a word that is none": (MARK.tag, "made=AKIA orders/db"),
    "nothing": (MARK.tag, ""),
}


@pytest.mark.parametrize("case", STRANGE)
def test_no_mark(case: str) -> None:
    """What is not written as we write it says nothing."""
    assert marks.read([STRANGE[case]]) == ()


FOUND: dict[str, tuple[Key, bool]] = {
    "one that was there": (Key("AKIAOLD", THEN), False),
    "one that another mark names": (Key("AKIANEW", THEN), False),
    "one that was made with it": (Key("AKIALOST", THEN + timedelta(seconds=1)), True),
    "one by a clock that is late": (Key("AKIALOST", THEN - timedelta(seconds=59)), True),
    "one that was made long before": (Key("AKIALOST", THEN - timedelta(seconds=61)), False),
    "one that was made long after": (Key("AKIALOST", THEN + timedelta(seconds=91)), False),
}


@pytest.mark.parametrize("case", FOUND)
def test_what_came_of_a_lost_answer(case: str) -> None:
    """Only a key that appeared when it was asked for, and that nobody knows."""
    key, ours = FOUND[case]
    known = [MARK, Mark(claim(8), THEN, key="AKIANEW")]
    assert marks.lost(MARK, [key], known) == ((key.id,) if ours else ())


def play(scene: Coroutine[Any, Any, None]) -> None:
    """Play a scene."""
    asyncio.run(scene)


def test_another_credential_is_at_it_too(aws: Aws) -> None:
    """If a key of it is unknown as well nobody can say whose the lost one is: it is not touched, and both are told."""
    user = aws.user()
    theirs = Mark(Claim(OTHERS, "orders", "other", 1), datetime.now(UTC))

    async def scene() -> None:
        async with between(port(aws.url), 5, after=True) as proxy:
            with pytest.raises(NoAnswer):
                await aws.adapter(user, url=f"http://127.0.0.1:{proxy.port}").issue(intent(user), None)
        aws.admin.tag_user(UserName=user, Tags=[{"Key": theirs.tag, "Value": theirs.text}])
        (lost,) = aws.keys(user)
        with pytest.raises(Rejected, match=lost) as doubt:
            await anew(aws.adapter(user, now=late), user)
        assert doubt.value.reason == Reason.BACKEND_REFUSED
        assert aws.keys(user) == {lost: "Active"}

    play(scene())


def test_another_credential_came_between(aws: Aws) -> None:
    """Two that begin at once see each other before a key is made: neither makes one, and ours leaves no mark."""
    user = aws.user()
    theirs = Mark(Claim(OTHERS, "orders", "other", 1), datetime.now(UTC))

    async def scene() -> None:
        backend = aws.adapter(user)
        write = backend._write

        async def beaten(mark: Mark) -> None:
            aws.admin.tag_user(UserName=user, Tags=[{"Key": theirs.tag, "Value": theirs.text}])
            await write(mark)

        backend._write = beaten  # type: ignore[method-assign]
        with pytest.raises(Rejected, match="orders/other") as taken:
            await backend.issue(intent(user), None)
        assert taken.value.reason == Reason.NAME_TAKEN
        assert (aws.keys(user), list(aws.tags(user))) == ({}, [theirs.tag])

    play(scene())


LATE = {"a little": 3, "for very long": 99}


@pytest.mark.parametrize("case", LATE)
def test_a_mark_that_iam_tells_of_late(aws: Aws, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked for again, or else nothing would ever be made; too late, and neither key nor mark is left."""
    monkeypatch.setattr("rekey.providers.aws.backend._LOOKS", (0.0,) * 4)
    user = aws.user()

    async def scene() -> None:
        backend = aws.adapter(user)
        look, write, left = backend._marks, backend._write, 0

        async def late() -> tuple[Mark, ...]:
            nonlocal left
            left -= 1
            return () if left >= 0 else await look()

        async def written(mark: Mark) -> None:
            nonlocal left
            await write(mark)
            left = LATE[case] if mark.key is None else 0

        monkeypatch.setattr(backend, "_marks", late)
        monkeypatch.setattr(backend, "_write", written)
        if case == "a little":
            made = await backend.issue(intent(user), None)
            assert set(aws.keys(user)) == {made.backend_id}
            return
        with pytest.raises(Retryable, match="does not tell of the tag yet"):
            await backend.issue(intent(user), None)
        assert (aws.keys(user), aws.tags(user)) == ({}, {})

    play(scene())


class Paged(Account):
    """An account that tells of tags one by one."""

    TAGS = (MARK, MARKS["the key that was made"])

    async def ask(self, keys: Keys, service: str, operation: str, **parameters: object) -> dict[str, Any]:
        here = int(str(parameters.get("Marker", 0)))
        tags = [{"Key": mark.tag, "Value": mark.text} for mark in self.TAGS[here : here + 1]]
        return {"Tags": tags, "IsTruncated": here + 1 < len(self.TAGS), "Marker": str(here + 1)}


def test_tags_on_many_pages() -> None:
    """None is missed, or its key would be taken for a stranger's."""
    account = Paged(
        AwsServer.model_validate({"secretName": "login"}),
        None,
        Allowed(),
        "orders",
        lambda: datetime.now(UTC),
        lambda: 20.0,
    )
    backend = AwsAccessKeys(account, Keys(Material({})), "orders", lambda: THEN)
    assert asyncio.run(backend.find(UID)) == (claim(7), claim(12))
    assert asyncio.run(backend.find(OTHERS)) == ()


ENDPOINTS = {
    ("us-east-1", "iam"): ("https://iam.amazonaws.com", "us-east-1"),
    ("eu-central-1", "iam"): ("https://iam.amazonaws.com", "us-east-1"),
    ("us-east-1", "sts"): ("https://sts.us-east-1.amazonaws.com", "us-east-1"),
    ("eu-central-1", "sts"): ("https://sts.eu-central-1.amazonaws.com", "eu-central-1"),
    ("us-gov-west-1", "iam"): ("https://iam.us-gov.amazonaws.com", "us-gov-west-1"),
    ("cn-north-1", "iam"): ("https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    ("eusc-de-east-1", "iam"): ("https://iam.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
}


@pytest.mark.parametrize(("region", "service"), ENDPOINTS)
def test_where_aws_is(region: str, service: str) -> None:
    """As the library knows it for each region that may be declared, and for which one its requests are signed."""
    server = AwsServer.model_validate({"secretName": "login", "region": region})
    assert Service(service).place(server.region) == ENDPOINTS[region, service]


LOCAL = make("certificate", commonName="localhost", dnsNames=["localhost"])
TRUSTED: dict[str, tuple[Material | None, type[RekeyError] | None, str]] = {
    "by its authority": (LOCAL.material, None, ""),
    "not by that of the image": (None, Retryable, "its certificate is not trusted"),
    "not by one that cannot be read": (Material({"ca.crt": b"canary"}), Rejected, "put PEM certificates there"),
}


@pytest.mark.parametrize("case", TRUSTED)
def test_by_whom_it_is_known(aws: Aws, case: str, tmp_path: Path) -> None:
    """An endpoint of one's own is known by `ca.crt`, and by nothing else."""
    authority, meant, says = TRUSTED[case]
    user = aws.user()

    async def scene() -> None:
        async with between(port(aws.url), tls=end(tmp_path, LOCAL)) as proxy:
            url = f"https://localhost:{proxy.port}"
            backend = aws.adapter(user, url=url, authority=authority, caSecretName="ca")
            if meant is None:
                await backend.prove(held(user, await backend.issue(intent(user), None)))
                return
            with pytest.raises(meant, match=says):
                await backend.issue(intent(user), None)
            assert proxy.actions == []

    play(scene())
