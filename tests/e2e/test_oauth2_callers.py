"""Many callers, several operators and a bad token endpoint before a real OAuth2 server: what it sees, in its order."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from tests.e2e.conftest import Opening
from tests.e2e.manifests import Manifest, request
from tests.e2e.replicas import running
from tests.e2e.stage import Stage
from tests.e2e.test_oauth2 import SETTINGS, secret, token
from tests.e2e.test_requests import result, until_standing
from tests.providers.between import Between, standing_between
from tests.providers.django_server import SECRET
from tests.providers.test_oauth2_real import Django, django

pytestmark = [pytest.mark.kube, pytest.mark.xdist_group("oauth2")]
__all__ = ["django"]

CALLERS = 50
SHORT = 12
"""Seconds of a token's life: time to stop the operator before its last quarter."""


@pytest.fixture
def between(django: Django) -> Iterator[Between]:
    """Give the server behind a proxy that counts."""
    with standing_between(django.url) as found:
        yield found


@contextmanager
def declared(opening: Opening, between: Between, *, running: bool = True) -> Iterator[Stage]:
    """Give a stage in which the server is declared behind that proxy."""
    where = {"tokenUrl": "token", "introspectionUrl": "introspect"}
    urls = {field: f"{between.url}/{path}" for field, path in where.items()}
    with opening(settings=SETTINGS, running=running) as stage:
        stage.apply(
            secret("client", client_id="person", client_secret=SECRET),
            {
                "apiVersion": "rekey.dev/v1alpha1",
                "kind": "CredentialProvider",
                "metadata": {"name": "idp"},
                "spec": {"oauth2": {**urls, "secretName": "client"}},
            },
        )
        yield stage


def consent(django: Django, between: Between, account: str) -> Manifest:
    """Return the Secret that a person's consent leaves."""
    refresh = django.consent().reveal()["refresh_token"].decode()
    between.know(account, refresh)
    return secret(f"consent-of-{account}", refresh_token=refresh)


def account(stage: Stage, django: Django, between: Between, name: str) -> None:
    """Have a credential of that name, with a consent of its own, get its first token."""
    made = token(name, grantSecretName=f"consent-of-{name}")
    made["spec"]["provider"]["ref"]["name"] = "idp"
    stage.apply(consent(django, between, name), made)
    stage.until(lambda: stage.states(name).get(1) == "Active", f"a token of {name}")


def looked_at(stage: Stage, name: str) -> None:
    """Have the operator look at a credential, and wait until it did."""
    generation = (stage.get("rotatedcredentials", name) or {})["metadata"]["generation"] + 1
    stage.change(name, overlap={"duration": f"{generation}s"})
    stage.until(lambda: stage.status(name).get("observedGeneration") == generation, f"a look at {name}")


def test_fifty_callers_at_an_expired_token_make_one_refresh(opening: Opening, django: Django, between: Between) -> None:
    """Fifty requests and a trigger await three replicas that start together: the server is asked once, all are told."""
    with declared(opening, between) as stage:
        between.lives["anna"] = SHORT
        account(stage, django, between, "anna")
        stage.operator.stop()
        between.lives.clear()
        before, asked = stage.status("anna")["currentVersion"], between.asked("anna")
        ends = max(datetime.fromisoformat(one["expirationTime"]) for one in stage.status("anna")["versions"])
        stage.until(lambda: datetime.now(UTC) > ends, "the token to end")
        names = [f"caller-{number}" for number in range(CALLERS)]
        stage.apply(*(request(name, "Manual", "anna") for name in names))
        stage.trigger("anna")
        with running(stage, 3) as replicas:
            for name in names:
                until_standing(stage, name, "Complete", "Succeeded")
            looked_at(stage, "anna")
            assert {result(stage, name)["toVersion"] for name in names} == {before + 1}
            assert stage.status("anna")["currentVersion"] == before + 1
            assert between.asked("anna") - asked == 1, between.story
            assert [one.operator.faults() for one in replicas] == [[], [], []]


def test_an_account_that_waits_holds_up_no_other(opening: Opening, django: Django, between: Between) -> None:
    """While the answer to one account is held back, another is asked for, answered and delivered."""
    with declared(opening, between) as stage:
        for name in ("anna", "bert"):
            account(stage, django, between, name)
        free, since = between.hold("anna"), len(between.story)
        stage.trigger("anna")
        stage.until(lambda: "anna asks" in between.story[since:], "a request of anna's")
        stage.trigger("bert")
        stage.until(lambda: stage.status("bert").get("currentVersion") == 2, "a token of bert's")
        assert "anna is answered 200" not in between.story[since:]
        assert stage.status("anna")["currentVersion"] == 1
        free.set()
        stage.until(lambda: stage.status("anna").get("currentVersion") == 2, "a token of anna's")


def test_a_token_endpoint_that_hangs_frees_the_account(opening: Opening, django: Django, between: Between) -> None:
    """The call is given up though nobody answers it, and the next one is: nothing but our own bound ends the first."""
    with declared(opening, between) as stage:
        account(stage, django, between, "anna")
        since = len(between.story)
        between.hangs.add("anna")
        stage.trigger("anna")
        stage.until(lambda: stage.status("anna").get("currentVersion") == 2, "a token of anna's")
        assert between.story[since:] == ["anna asks", "anna asks", "anna is answered 200"]
        assert not between.over.is_set()


def test_a_lost_reply_ends_with_a_person_and_in_no_loop(opening: Opening, django: Django, between: Between) -> None:
    """The server rotated, its reply was lost: the refresh token is shown once more, and the condition names the cause.

    Then nothing is asked, whoever looks, until a person's new consent is taken up, which the condition says.
    """
    with declared(opening, between) as stage:
        account(stage, django, between, "anna")
        since = len(between.story)
        between.loses.add("anna")
        stage.trigger("anna")
        text = stage.until_condition("anna", "NeedsReauth", "True", "NeedsReauth")
        assert "the answer of an earlier renewal was lost and the server had rotated the refresh token" in text
        looked_at(stage, "anna")
        stage.trigger("anna", "b")
        looked_at(stage, "anna")
        assert between.story[since:] == ["anna asks", "anna is not answered 200", "anna asks", "anna is answered 400"]
        assert stage.events("anna").count("Stalled") == 1
        stage.apply(consent(django, between, "anna"))
        looked_at(stage, "anna")
        stage.until(lambda: stage.condition("anna", "NeedsReauth")[0] == "False", "the end of it")
        assert django.ask("whoami", stage.held("anna")["access_token"].decode()) is not None
