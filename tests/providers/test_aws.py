"""The adapter of AWS when things go wrong: a cut at every request, slots that are taken, answers that are errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_aws import AwsServer
from rekey.errors import NoAnswer, NotAccepted, NotLeading, NotYet, Rejected, RekeyError, Retryable
from rekey.ports.backend import Claim, Granted, Held, Intent
from rekey.providers.aws.asking import Account, Keys
from rekey.providers.aws.backend import AwsAccessKeys
from rekey.providers.http.allowed import Allowed
from tests.providers.aws import RIGHTS, Aws, aws, pair, wanted
from tests.providers.cutting_http import between
from tests.sim.conformance_of_backends import everything

pytestmark = pytest.mark.xdist_group("aws")
__all__ = ["aws"]

UID = "0f1e2d3c-0000-4000-8000-000000000001"
ISSUE, REVOKE = 6, 5
"""How many requests each is, as the tests below see."""


def claim(number: int = 1, owner: str = UID) -> Claim:
    """Return whose version it is."""
    return Claim(owner, "orders", "db", number)


def intent(user: str, number: int = 1, owner: str = UID) -> Intent:
    """Return a version to make."""
    return Intent(claim(number, owner), wanted(user), datetime.now(UTC))


def held(user: str, granted: Granted, number: int = 1) -> Held:
    """Return a version as it is stored."""
    return Held(claim(number), wanted(user), granted.backend_id, granted.material)


def late() -> datetime:
    """Return a time at which IAM has told of everything."""
    return datetime.now(UTC) + timedelta(minutes=2)


async def anew(backend: AwsAccessKeys, user: str, number: int = 1) -> Granted:
    """Do as the engine does with a version whose Secret is not there."""
    for left in await backend.find(UID):
        if left.number == number:
            await backend.revoke(Held(left, wanted(user)))
    return await backend.issue(intent(user, number), None)


def port(url: str) -> int:
    """Return the port of a URL."""
    return int(url.rpartition(":")[2])


@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "when it is done"])
@pytest.mark.parametrize("at", range(1, ISSUE + 2))
def test_a_cut_while_a_key_is_made(aws: Aws, at: int, *, after: bool) -> None:
    """What is left of it is found, nobody else's key is touched, and one key of ours is there in the end, marked."""
    user = aws.user()
    theirs = aws.key(user)

    async def scene() -> None:
        async with between(port(aws.url), at, after=after) as proxy:
            cut = aws.adapter(user, url=f"http://127.0.0.1:{proxy.port}")
            if at > ISSUE:
                await cut.issue(intent(user), None)
                assert len(proxy.actions) == ISSUE
            else:
                with pytest.raises(NoAnswer):
                    await cut.issue(intent(user), None)
        made = await anew(aws.adapter(user, now=late), user)
        assert set(aws.keys(user)) == {theirs, made.backend_id}
        assert list(aws.tags(user).values()) == [f"key={made.backend_id} orders/db"]
        await aws.adapter(user).prove(held(user, made))

    asyncio.run(scene())


@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "when it is done"])
@pytest.mark.parametrize("at", range(1, REVOKE + 2))
def test_a_cut_while_a_key_is_revoked(aws: Aws, at: int, *, after: bool) -> None:
    """It is revoked by the next try, and nothing of it is left; the key of somebody else stays as it is."""
    user = aws.user()
    theirs = aws.key(user)

    async def scene() -> None:
        one = held(user, await aws.adapter(user).issue(intent(user), None))
        async with between(port(aws.url), at, after=after) as proxy:
            cut = aws.adapter(user, url=f"http://127.0.0.1:{proxy.port}")
            if at > REVOKE:
                await cut.revoke(one)
                assert proxy.actions == [
                    *("ListAccessKeys", "ListUserTags", "UpdateAccessKey", "DeleteAccessKey", "UntagUser")
                ]
            else:
                with pytest.raises(NoAnswer):
                    await cut.revoke(one)
        await aws.adapter(user).revoke(one)
        assert (aws.keys(user), aws.tags(user)) == ({theirs: "Active"}, {})

    asyncio.run(scene())


def test_what_is_not_known_yet_is_waited_for(aws: Aws) -> None:
    """Of a lost answer nothing may be seen for a moment: nothing is made anew before, and then it is."""
    user = aws.user()

    async def scene() -> None:
        async with between(port(aws.url), 5) as proxy:
            with pytest.raises(NoAnswer):
                await aws.adapter(user, url=f"http://127.0.0.1:{proxy.port}").issue(intent(user), None)
        with pytest.raises(NotYet, match="not known yet"):
            await anew(aws.adapter(user), user)
        with pytest.raises(NotYet, match="not known yet"):
            await aws.adapter(user).issue(intent(user, 2), None)
        assert aws.keys(user) == {}
        await anew(aws.adapter(user, now=late), user)

    asyncio.run(scene())


def test_two_keys_of_which_one_may_be_ours(aws: Aws) -> None:
    """A key by hand in the moment of a lost answer: both are named, and neither is touched."""
    user = aws.user()

    async def scene() -> None:
        async with between(port(aws.url), 5, after=True) as proxy:
            with pytest.raises(NoAnswer):
                await aws.adapter(user, url=f"http://127.0.0.1:{proxy.port}").issue(intent(user), None)
        theirs = aws.key(user)
        with pytest.raises(Rejected, match=theirs) as doubt:
            await anew(aws.adapter(user, now=late), user)
        assert doubt.value.reason == Reason.BACKEND_REFUSED
        assert set(aws.keys(user).values()) == {"Active"}
        aws.admin.delete_access_key(UserName=user, AccessKeyId=theirs)
        made = await anew(aws.adapter(user, now=late), user)
        assert set(aws.keys(user)) == {made.backend_id}

    asyncio.run(scene())


def test_both_slots_are_taken(aws: Aws) -> None:
    """It is said by whom; nothing is touched, and when there is room a key is made."""
    user = aws.user()
    theirs = aws.key(user)

    async def scene() -> None:
        backend = aws.adapter(user)
        one = await backend.issue(intent(user), None)
        with pytest.raises(Rejected) as full:
            await backend.issue(intent(user, 2), None)
        assert full.value.reason == Reason.BACKEND_REFUSED
        assert f"{theirs} (not of Rekey)" in str(full.value)
        assert f"{one.backend_id} (version 1)" in str(full.value)
        assert str(full.value).endswith(f"delete {theirs}")
        assert set(aws.keys(user)) == {theirs, one.backend_id}
        aws.admin.delete_access_key(UserName=user, AccessKeyId=theirs)
        two = await backend.issue(intent(user, 2), None)
        with pytest.raises(Rejected, match="one of them is revoked when its overlap is over"):
            await backend.issue(intent(user, 3), None)
        assert set(aws.keys(user)) == {one.backend_id, two.backend_id}

    asyncio.run(scene())


def test_a_key_whose_tag_was_taken_away(aws: Aws) -> None:
    """The ledger knows it: it is revoked; one that neither ledger nor tag knows is left alone."""
    user = aws.user()

    async def scene() -> None:
        backend = aws.adapter(user)
        one = await backend.issue(intent(user), None)
        aws.admin.untag_user(UserName=user, TagKeys=list(aws.tags(user)))
        await backend.revoke(Held(claim(), wanted(user)))
        assert set(aws.keys(user)) == {one.backend_id}
        await backend.revoke(held(user, one))
        assert aws.keys(user) == {}

    asyncio.run(scene())


@pytest.mark.parametrize("tagged", [True, False], ids=["its own tag is there", "its own tag is gone"])
def test_a_version_that_is_known_by_the_key_of_another(aws: Aws, *, tagged: bool) -> None:
    """What it is known by stood in a Secret, where others may write: tags tell whose key it is, and none is deleted."""
    user = aws.user()

    async def scene() -> None:
        backend = aws.adapter(user)
        one, two = await backend.issue(intent(user), None), await backend.issue(intent(user, 2), None)
        if not tagged:
            aws.admin.untag_user(UserName=user, TagKeys=[tag for tag in aws.tags(user) if f"{UID}/1/" in tag])
        with pytest.raises(Rejected, match=rf"known by access key {two.backend_id}, .* nothing is revoked"):
            await backend.revoke(replace(held(user, one), backend_id=two.backend_id))
        assert aws.keys(user) == {one.backend_id: "Active", two.backend_id: "Active"}

    asyncio.run(scene())


def test_a_version_that_is_known_by_the_key_of_a_stranger(aws: Aws) -> None:
    """Its tag names another key: neither is deleted before a person looked."""
    user = aws.user()
    theirs = aws.key(user)

    async def scene() -> None:
        backend = aws.adapter(user)
        one = await backend.issue(intent(user), None)
        with pytest.raises(Rejected, match="another than its tag names"):
            await backend.revoke(replace(held(user, one), backend_id=theirs))
        assert aws.keys(user) == {theirs: "Active", one.backend_id: "Active"}

    asyncio.run(scene())


def error(code: str, status: int = 400, *more: str) -> bytes:
    """Return an answer of AWS that is an error; its text quotes what nobody may say."""
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>canary</Message></Error></ErrorResponse>"
    )
    head = [
        f"HTTP/1.1 {status} So",
        "Content-Type: text/xml",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *more,
    ]
    return "\r\n".join([*head, "", body]).encode()


BROKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\ncanary, half"
Rows = dict[str, tuple[bytes, type[RekeyError], str]]
ERRORS: Rows = {
    "too many requests wait": (error("Throttling"), Retryable, "Throttling"),
    "too many, with a pause": (error("ThrottlingException", 429, "Retry-After: 7"), Retryable, "Throttling"),
    "too many, by another name": (error("RequestLimitExceeded", 503), Retryable, "RequestLimitExceeded"),
    "somebody else changes it": (error("ConcurrentModification", 409), Retryable, "ConcurrentModification"),
    "a right is missing": (error("AccessDenied", 403), Rejected, "need the right iam:(List|Create)AccessKey"),
    "our key is gone": (error("InvalidClientTokenId", 403), Rejected, "put good keys into Secret login"),
    "our secret is another": (error("SignatureDoesNotMatch", 403), Rejected, "put good keys into Secret login"),
    "our session has ended": (error("ExpiredToken", 403), Rejected, "put good keys into Secret login"),
    "no such user": (error("NoSuchEntity", 404), Rejected, "there is no IAM user"),
    "a limit that nobody saw": (error("LimitExceeded", 409), Rejected, "delete what nobody uses"),
    "it failed, perhaps too late": (error("ServiceFailure", 500), NoAnswer, "ServiceFailure"),
    "it is away": (error("ServiceUnavailable", 503), NoAnswer, "ServiceUnavailable"),
    "what nobody knows": (error("Novelty"), Rejected, "Novelty"),
    "a code that is none": (error("canary &lt;b&gt;"), Rejected, "status 400"),
    "an answer that is no XML": (BROKEN, NoAnswer, "no answer that can be read"),
    "a redirect is not followed": (error("Moved", 301, "Location: http://127.0.0.1:1/"), Rejected, "Moved"),
}
PAUSES = {"too many requests wait": 10.0, "too many, with a pause": 7.0, "too many, by another name": 10.0}
REAUTH = {"our key is gone", "our secret is another", "our session has ended"}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(aws: Aws, case: str) -> None:
    """What an answer of AWS means, whichever request it is to; nothing of its text is repeated."""
    answer, meant, says = ERRORS[case]
    user = aws.user()

    async def scene() -> None:
        for action in ("ListAccessKeys", "CreateAccessKey"):
            async with between(port(aws.url), instead={action: answer}) as proxy:
                with pytest.raises(RekeyError, match=says) as caught:
                    await aws.adapter(user, url=f"http://127.0.0.1:{proxy.port}").issue(intent(user), None)
            found = caught.value
            assert type(found) is meant
            assert "canary" not in everything(found)
            if isinstance(found, Rejected):
                assert found.reason == (Reason.NEEDS_REAUTH if case in REAUTH else Reason.BACKEND_REFUSED)
            if isinstance(found, Retryable):
                assert found.retry_after == PAUSES.get(case)
            left = [] if meant is not NoAnswer or action == "ListAccessKeys" else ["before= orders/db"]
            assert list(aws.tags(user).values()) == left

    asyncio.run(scene())


def test_a_key_that_is_not_known_everywhere_yet(aws: Aws) -> None:
    """In its first minute it is waited for; then it is refused. Another secret is refused at once."""
    user, unknown = aws.user(), {"GetCallerIdentity": error("InvalidClientTokenId", 403)}

    async def scene() -> None:
        one = held(user, await aws.adapter(user).issue(intent(user), None))
        async with between(port(aws.url), instead=unknown) as proxy:
            url = f"http://127.0.0.1:{proxy.port}"
            with pytest.raises(NotYet, match="not know it everywhere yet"):
                await aws.adapter(user, url=url).prove(one)
            with pytest.raises(NotAccepted):
                await aws.adapter(user, url=url, now=late).prove(one)
            with pytest.raises(NotAccepted):
                await aws.adapter(user, url=url).prove(replace(one, backend_id="AKIAANOTHER"))
        await aws.adapter(user).prove(one)

    asyncio.run(scene())


def test_a_key_of_another_user(aws: Aws) -> None:
    """It is good, and is not what was asked for."""
    user = aws.user()
    made = pair(aws.admin.create_access_key(UserName=aws.user())["AccessKey"])

    async def scene() -> None:
        with pytest.raises(NotAccepted, match=user):
            await aws.adapter(user).prove(Held(claim(), wanted(user), material=made))

    asyncio.run(scene())


def test_by_a_role(aws: Aws) -> None:
    """All is done as the role; one that may not be assumed is said, and who must be allowed to."""
    role, user = f"rekey-{aws.user()[7:15]}", aws.user()
    trust = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}]}
    made = aws.admin.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust | {"Version": "2012-10-17"}))
    rights = {"Statement": [{"Effect": "Allow", "Action": list(RIGHTS), "Resource": "*"}], "Version": "2012-10-17"}
    aws.admin.put_role_policy(RoleName=role, PolicyName="all", PolicyDocument=json.dumps(rights))
    arn = made["Role"]["Arn"]
    may = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": arn}], "Version": "2012-10-17"}
    login = aws.user()
    ours = pair(aws.admin.create_access_key(UserName=login)["AccessKey"])

    async def scene() -> None:
        with pytest.raises(Rejected, match="sts:AssumeRole") as refused:
            await aws.adapter(user, ours, roleArn=arn).issue(intent(user), None)
        assert refused.value.reason == Reason.BACKEND_REFUSED
        aws.admin.put_user_policy(UserName=login, PolicyName="all", PolicyDocument=json.dumps(may))
        one = held(user, await aws.adapter(user, ours, roleArn=arn).issue(intent(user), None))
        await aws.adapter(user, ours, roleArn=arn).prove(one)
        await aws.adapter(user, ours, roleArn=arn).revoke(one)
        assert aws.keys(user) == {}

    asyncio.run(scene())


def _not_ours() -> float:
    raise NotLeading("another process acts there now")


def _in_vain() -> float:
    return 2.0


NOWHERE: dict[str, tuple[dict[str, Any], Allowed, Callable[[], float], type[RekeyError], str]] = {
    "a host that nobody allowed": ({"endpointUrl": "https://127.0.0.1:1"}, Allowed(), lambda: 20.0, Rejected, "never"),
    "in the clear": (
        {"endpointUrl": "http://127.0.0.1:1"},
        Allowed(["127.0.0.0/8"]),
        lambda: 20.0,
        Rejected,
        "use https",
    ),
    "a name that leads nowhere": ({"endpointUrl": "https://a.invalid"}, Allowed(), lambda: 20.0, Retryable, "nowhere"),
    "no time is left": ({}, Allowed(), _in_vain, Retryable, "no time was left"),
    "we do not lead": ({}, Allowed(), _not_ours, NotLeading, "another process"),
}


@pytest.mark.parametrize("case", NOWHERE)
def test_what_is_never_sent(case: str) -> None:
    """Nothing is connected to."""
    declared, allowed, seconds, meant, says = NOWHERE[case]
    server = AwsServer.model_validate({"secretName": "login", **declared})

    async def scene() -> None:
        account = Account(server, None, allowed, "orders", lambda: datetime.now(UTC), seconds)
        login = Keys(Material({"aws_access_key_id": b"AKIA", "aws_secret_access_key": b"canary"}))
        backend = AwsAccessKeys(account, login, "orders", lambda: datetime.now(UTC))
        with pytest.raises(meant, match=says):
            await backend.issue(intent("orders"), None)

    asyncio.run(scene())


def test_the_environment_says_nothing(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a profile, nor a proxy, nor another endpoint or authority is taken from it."""
    for name, value in {
        "AWS_PROFILE": "nobody",
        "AWS_DEFAULT_PROFILE": "nobody",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_CA_BUNDLE": "/nowhere",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
        "AWS_CONFIG_FILE": "/nowhere",
        "AWS_ACCESS_KEY_ID": "AKIANOBODY",
        "AWS_SESSION_TOKEN": "nobody",
    }.items():
        monkeypatch.setenv(name, value)
    user = aws.user()
    granted = asyncio.run(aws.adapter(user).issue(intent(user), None))
    assert granted.backend_id in aws.keys(user)
