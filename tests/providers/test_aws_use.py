"""The adapter of AWS, asked when a key was last used: which key that is, and what no answer may be taken for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

import pytest

from rekey.core.reasons import Reason
from rekey.errors import NotAccepted, NotYet, Rejected, RekeyError, Retryable
from rekey.ports.backend import Held
from tests.providers.aws import Aws, aws, wanted
from tests.providers.cutting_http import between
from tests.providers.test_aws import claim, error, held, intent, late, port
from tests.sim.conformance_of_backends import everything

pytestmark = pytest.mark.xdist_group("aws")
__all__ = ["aws"]

NOON = "2026-05-04T12:00:00Z"


def answer(user: str, *, used: str | None = NOON) -> bytes:
    """Return what AWS answers of a key of that user; of one that nobody used it says `N/A`."""
    date = f"<LastUsedDate>{used}</LastUsedDate>" if used else ""
    about = f"{date}<ServiceName>{'s3' if used else 'N/A'}</ServiceName><Region>N/A</Region>"
    what = f"<UserName>{user}</UserName><AccessKeyLastUsed>{about}</AccessKeyLastUsed>"
    body = (
        '<GetAccessKeyLastUsedResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
        f"<GetAccessKeyLastUsedResult>{what}</GetAccessKeyLastUsedResult></GetAccessKeyLastUsedResponse>"
    )
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return (head + body).encode()


async def told(aws: Aws, user: str, one: Held, said: bytes) -> datetime | None:
    """Ask when it was last used, and have AWS answer that."""
    async with between(port(aws.url), instead={"GetAccessKeyLastUsed": said}) as proxy:
        found = await aws.adapter(user, url=f"http://127.0.0.1:{proxy.port}").last_used(one)
        assert proxy.actions == ["ListAccessKeys", "ListUserTags", "GetAccessKeyLastUsed"]
        return found


@pytest.mark.parametrize("used", [NOON, None])
def test_what_aws_answers(aws: Aws, used: str | None) -> None:
    """The date of the last use; none where AWS leaves it out and says `N/A`."""
    user = aws.user()

    async def scene() -> None:
        one = held(user, await aws.adapter(user).issue(intent(user), None))
        expected = datetime.fromisoformat(used) if used else None
        assert await told(aws, user, one, answer(user, used=used)) == expected

    asyncio.run(scene())


def test_a_key_that_is_said_to_be_of_another_user(aws: Aws) -> None:
    """What is said of it is not taken for anything."""
    user = aws.user()

    async def scene() -> None:
        one = held(user, await aws.adapter(user).issue(intent(user), None))
        with pytest.raises(Rejected, match=f"does not say that .* is one of user {user}") as refused:
            await told(aws, user, one, answer("somebody-else"))
        assert refused.value.reason == Reason.BACKEND_REFUSED

    asyncio.run(scene())


def test_which_key_it_is(aws: Aws) -> None:
    """Ledger or tag say it; where neither does nobody knows, though another key is there."""
    user = aws.user()

    async def scene() -> None:
        backend = aws.adapter(user)
        one = held(user, await backend.issue(intent(user), None))
        await backend.prove(one)
        assert await backend.last_used(replace(one, backend_id=None)) is not None
        aws.admin.untag_user(UserName=user, TagKeys=list(aws.tags(user)))
        assert await backend.last_used(one) is not None
        with pytest.raises(Rejected, match="nobody knows which key"):
            await backend.last_used(Held(claim(), wanted(user)))

    asyncio.run(scene())


def test_a_key_that_is_not_listed(aws: Aws) -> None:
    """In its first minute the list may be late; then it is gone. The user is gone: nobody can say."""
    user = aws.user()

    async def scene() -> None:
        one = held(user, await aws.adapter(user).issue(intent(user), None))
        aws.admin.delete_access_key(UserName=user, AccessKeyId=one.backend_id)
        with pytest.raises(NotYet, match="not know it everywhere yet"):
            await aws.adapter(user).last_used(one)
        with pytest.raises(NotAccepted, match="is gone"):
            await aws.adapter(user, now=late).last_used(one)
        aws.admin.delete_user(UserName=user)
        with pytest.raises(Rejected, match="there is no IAM user"):
            await aws.adapter(user, now=late).last_used(one)

    asyncio.run(scene())


TROUBLE: dict[str, tuple[bytes, type[RekeyError], str]] = {
    "the right is missing": (error("AccessDenied", 403), Rejected, "need the right iam:GetAccessKeyLastUsed"),
    "too many requests": (error("Throttling"), Retryable, "Throttling"),
    "it is away": (error("ServiceUnavailable", 503), Retryable, "ServiceUnavailable"),
    "our key is gone": (error("InvalidClientTokenId", 403), Rejected, "put good keys into Secret login"),
}


@pytest.mark.parametrize("case", TROUBLE)
def test_no_answer_is_taken_for_no_use(aws: Aws, case: str) -> None:
    """It is an error, which says what to do and nothing of AWS' text."""
    said, meant, words = TROUBLE[case]
    user = aws.user()

    async def scene() -> None:
        one = held(user, await aws.adapter(user).issue(intent(user), None))
        with pytest.raises(meant, match=words) as caught:
            await told(aws, user, one, said)
        assert "canary" not in everything(caught.value)

    asyncio.run(scene())
