"""What is answered over HTTP: status, headers, caching, and nothing about what is not published."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.publish.objects import credential as made
from tests.publish.objects import kid, published, version
from tests.publish.opened import Open, play

HOME = "/v1/namespaces/shop/orders/"
FORMS = {
    f"{HOME}jwks.json": "application/jwk-set+json",
    f"{HOME}catalog.json": "application/json",
    f"{HOME}timeline.json": "application/json",
    HOME: "text/html; charset=utf-8",
    "/": "text/html; charset=utf-8",
}
STRANGE = {
    "another name": "/v1/namespaces/shop/other/jwks.json",
    "another namespace": "/v1/namespaces/bank/orders/jwks.json",
    "another document": f"{HOME}secrets.json",
    "another version": "/v2/namespaces/shop/orders/jwks.json",
    "a name that goes up": "/v1/namespaces/shop/../shop/orders/../../../etc/passwd",
    "a name in code": "/v1/namespaces/shop/orders%2f/jwks.json",
    "no name": "/v1/namespaces/shop/",
    "the namespaces": "/v1/namespaces/",
    "a slash too many": f"{HOME}/jwks.json",
    "something long": "/" + "a" * 1500,
    "the probes": "/readyz",
    "the figures": "/metrics",
}


@pytest.mark.parametrize("path", FORMS)
def test_documents(path: str) -> None:
    """Each has its form, its validator and headers that keep browsers from guessing; HEAD gives the same ones."""

    async def scene(here: Open) -> None:
        status, headers, body = await here.get(path)
        assert (status, headers["Content-Type"]) == (200, FORMS[path])
        assert headers["Rekey-As-Of"] == "2026-11-21T08:00:00Z"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Server"].startswith("rekey/")
        cached = headers["Cache-Control"]
        assert cached == ("public, max-age=60" if path.endswith(".json") else "no-cache")
        status, bare, nothing = await here.get(path, "HEAD")
        assert (status, nothing) == (200, b"")
        assert {**bare, "Date": ""} == {**headers, "Date": ""}
        assert int(bare["Content-Length"]) == len(body)

    play(scene)


@pytest.mark.parametrize("said", ["{}", "W/{}", '"x", {}', "*"])
def test_nothing_new(said: str) -> None:
    """Who has these bytes is told so, and how old they may be, in a few bytes; HEAD likewise."""

    async def scene(here: Open) -> None:
        _, headers, _ = await here.get(f"{HOME}jwks.json")
        for method in ("GET", "HEAD"):
            status, again, body = await here.get(f"{HOME}jwks.json", method, If_None_Match=said.format(headers["ETag"]))
            assert (status, body) == (304, b"")
            assert [again[name] for name in ("ETag", "Cache-Control")] == [headers["ETag"], "public, max-age=60"]

    play(scene)


def test_something_new() -> None:
    """Who has other bytes gets these, and another validator; a strong one."""

    async def scene(here: Open) -> None:
        _, before, _ = await here.get(f"{HOME}jwks.json")
        changed = published(made(version(5, "Active")))
        here.shelf.put(changed.key, changed)
        status, after, body = await here.get(f"{HOME}jwks.json", If_None_Match=before["ETag"])
        assert status == 200
        assert after["ETag"] != before["ETag"]
        assert after["ETag"].startswith('"')
        assert [key["kid"] for key in json.loads(body)["keys"]] == [kid(5)]

    play(scene)


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_not_published_does_not_exist(name: str) -> None:
    """Whatever else is asked for gets one and the same answer: it tells nothing of the cluster."""

    async def scene(here: Open) -> None:
        wanted = await here.get("/nothing")
        found = await here.get(STRANGE[name])
        assert found[0] == 404
        assert {**found[1], "Date": ""} == {**wanted[1], "Date": ""}
        assert found[2] == wanted[2] == b"Not Found\n"

    play(scene)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_written(method: str) -> None:
    """Only reading is possible, whether there is something or not."""

    async def scene(here: Open) -> None:
        for path in (f"{HOME}jwks.json", "/nothing"):
            status, headers, _ = await here.get(path, method)
            assert (status, headers["Allow"]) == (405, "GET, HEAD")

    play(scene)


def test_before_the_first_list() -> None:
    """Nobody can say yet that something does not exist."""

    async def scene(here: Open) -> None:
        for path in (*FORMS, "/nothing"):
            status, headers, _ = await here.get(path)
            assert (status, headers["Retry-After"]) == (503, "5")

    play(scene, full=False)


def test_growing_old() -> None:
    """Without word from the cluster the same is served on, and says how old it is; the key set's bytes stay."""

    async def scene(here: Open) -> None:
        async def look(document: str) -> tuple[Mapping[str, str], Any]:
            status, headers, body = await here.get(f"{HOME}{document}.json")
            assert status == 200
            return headers, json.loads(body)

        fresh, _ = await look("jwks")
        here.shelf.lost(None)
        here.clock.on(minutes=4)
        headers, catalog = await look("catalog")
        assert (catalog["asOf"], catalog["stale"]) == ("2026-11-21T08:00:00Z", False)
        assert "Rekey-Stale" not in headers
        here.clock.on(minutes=2)
        headers, catalog = await look("catalog")
        assert (headers["Rekey-As-Of"], headers["Rekey-Stale"]) == ("2026-11-21T08:00:00Z", "true")
        assert (catalog["asOf"], catalog["stale"]) == ("2026-11-21T08:00:00Z", True)
        assert b"may be outdated" in (await here.get(HOME))[2]
        assert (await look("jwks"))[0]["ETag"] == fresh["ETag"]
        here.shelf.heard(None)
        headers, catalog = await look("catalog")
        assert "asOf" not in catalog
        assert headers["Rekey-As-Of"] == "2026-11-21T08:06:00Z"

    play(scene)


def test_requests_are_counted_without_names() -> None:
    """By document and status, whatever was asked for."""

    async def scene(here: Open) -> None:
        for path in (f"{HOME}jwks.json", "/v1/namespaces/shop/hidden-name/jwks.json"):
            await here.get(path)
        text = here.metrics.text().decode()
        assert 'rekey_publish_requests_total{code="200",document="jwks"} 1.0' in text
        assert 'rekey_publish_requests_total{code="404",document="none"} 1.0' in text
        assert "hidden-name" not in text

    play(scene)
