"""What a browser is sent to the server with, and what it may come back with."""

import pytest

from rekey.core.authorization import Consent, Denied, challenge
from rekey.core.spec_oauth2 import Oauth2Server, Oauth2Token

STATE = "canary-state-1"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
SERVER = {
    "tokenUrl": "https://idp.example.com/token",
    "authorizationUrl": "https://idp.example.com/authorize",
    "secretName": "client",
}
GOOD = {"state": STATE, "code": "canary-code-1"}


def consent(**fields: object) -> Consent:
    """Return a request of us."""
    server = Oauth2Server.model_validate({**SERVER, **fields})
    return Consent(server, "rekey:1", "http://127.0.0.1:4711/", STATE, VERIFIER)


def test_the_challenge_is_that_of_the_standard() -> None:
    """RFC 7636, appendix B."""
    assert challenge(VERIFIER) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_where_the_browser_goes() -> None:
    """All that is asked for is there, beside what the provider adds; what proves us later is not."""
    asks = Oauth2Token.model_validate({"scopes": ["a", "b"], "audience": "https://api", "grantSecretName": "consent"})
    assert consent(authorizationParameters={"access_type": "offline", "state": "theirs"}).parameters(asks) == {
        "access_type": "offline",
        "response_type": "code",
        "client_id": "rekey:1",
        "redirect_uri": "http://127.0.0.1:4711/",
        "state": STATE,
        "code_challenge": challenge(VERIFIER),
        "code_challenge_method": "S256",
        "scope": "a b",
        "audience": "https://api",
    }


TAKEN: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "a code": (GOOD, {}),
    "a code and what nobody knows": ({**GOOD, "session_state": "x"}, {}),
    "the issuer that is declared": (
        {**GOOD, "iss": "https://id.example.com/a"},
        {"issuer": "https://id.example.com/a"},
    ),
    "an issuer of the same origin": ({**GOOD, "iss": "https://idp.example.com"}, {}),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_taken(name: str) -> None:
    """Nothing but the code matters then."""
    query, fields = TAKEN[name]
    assert consent(**fields).code(list(query.items())) == "canary-code-1"


REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "nothing": ({}, "another state"),
    "no state": ({"code": "canary-code-1"}, "another state"),
    "another state": ({**GOOD, "state": STATE + "2"}, "another state"),
    "a state of another script": ({**GOOD, "state": "канарейка"}, "another state"),
    "an error with a state of somebody else's": ({"error": "access_denied", "state": "a"}, "another state"),
    "another issuer": ({**GOOD, "iss": "https://evil.example.com"}, "another issuer"),
    "an issuer whose name begins like ours": ({**GOOD, "iss": "https://idp.example.com.evil.org"}, "another issuer"),
    "an issuer without TLS": ({**GOOD, "iss": "http://idp.example.com"}, "another issuer"),
    "an issuer with a user": ({**GOOD, "iss": "https://idp.example.com@evil.org"}, "another issuer"),
    "an issuer with a query": ({**GOOD, "iss": "https://idp.example.com?evil"}, "another issuer"),
    "an issuer that is no URL": ({**GOOD, "iss": "https://[a"}, "another issuer"),
    "an empty issuer": ({**GOOD, "iss": ""}, "another issuer"),
    "consent refused": ({"state": STATE, "error": "access_denied"}, "access_denied: consent was refused"),
    "an error and a code": ({**GOOD, "error": "server_error"}, "server_error"),
    "an error that is no word": ({"state": STATE, "error": "<script>canary</script>"}, "an error of no known form"),
    "a description": (
        {"state": STATE, "error": "invalid_scope", "error_description": "canary"},
        "see spec.provider.oauth2.scopes",
    ),
    "no code": ({"state": STATE}, "has no code"),
    "an empty code": ({"state": STATE, "code": ""}, "has no code"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    """It says why, and repeats nothing of it."""
    query, says = REFUSED[name]
    with pytest.raises(Denied) as caught:
        consent().code(list(query.items()))
    assert says in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("twice", ["state", "code", "iss"])
def test_what_is_said_twice_means_nothing(twice: str) -> None:
    """Whichever of the two is ours."""
    for query in ([(twice, "a"), (twice, "b"), *GOOD.items()], [*GOOD.items(), (twice, "a"), (twice, "b")]):
        with pytest.raises(Denied, match="another state"):
            consent().code(query)


def test_an_issuer_is_compared_exactly_where_it_is_declared() -> None:
    """The same origin is not enough then."""
    with pytest.raises(Denied, match="another issuer"):
        consent(issuer="https://idp.example.com/a").code([*GOOD.items(), ("iss", "https://idp.example.com/b")])


def test_nothing_of_it_is_shown_by_accident() -> None:
    """The state and the verifier are in no representation."""
    assert STATE not in repr(consent())
    assert VERIFIER not in repr(consent())
