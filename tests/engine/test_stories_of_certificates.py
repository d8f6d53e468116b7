"""Certificates in the simulated world: who issues them, what that survives, and when they end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from rekey.core.record import floor
from tests.engine.scenarios import spec
from tests.engine.telling import DAY, HOUR, MINUTE, condition, states, values, verdict
from tests.providers.making import make
from tests.sim.world import World

SHOP = {"commonName": "shop", "dnsNames": ["shop.test"]}
SHOWN = {"tls.key", "tls.crt", "ca.crt"}
LIFE: dict[str, Any] = {"interval": "240h", "jitterPercent": 0, "lifetime": "480h"}


def certificate(trigger: str | None = None, rotation: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return the spec of a certificate that is rotated every ten days and lives twice as long."""
    times = {**LIFE, **(rotation or {}), **({"trigger": trigger} if trigger else {})}
    return spec(**{"generate": {"certificate": SHOP}, "rotation": times, **changes})


def issued() -> World:
    """Return a world in which the first certificate has been current for an hour."""
    world = World()
    world.apply("api", certificate())
    world.run(HOUR)
    assert states(world) == {1: "Active"}
    return world


def rotated(world: World, trigger: str = "a", lasts: timedelta = HOUR) -> World:
    """Ask for the next one, and let it become current."""
    world.apply("api", certificate(trigger))
    world.run(lasts)
    return world


def authority(world: World, secret: str = "api") -> bytes:
    """Return the authority of what a Secret holds."""
    return values(world, secret)["ca.crt"]


def test_the_authority_stays_and_is_never_shown() -> None:
    """Version 2 is issued by the authority of version 1, whose private key stands in the versions' Secrets alone."""
    world = rotated(issued(), lasts=MINUTE)
    assert authority(world, "api-v1") == authority(world, "api-v2") == authority(world)
    assert values(world, "api-v1")["issuer.key"] == values(world, "api-v2")["issuer.key"]
    assert set(values(world)) == {*SHOWN, *(f"previous.{key}" for key in SHOWN), "version", "previous.version"}


def test_the_version_before_is_read_for_certificates_only() -> None:
    """A certificate costs one read more than a token, and the first one none."""
    world = issued()
    assert world.plug.calls.count("secrets.read") == 1  # the look at the bundle, before there was one
    rotated(world, lasts=MINUTE)
    assert world.plug.calls.count("secrets.read") == 2


def test_what_others_know_issues_nothing() -> None:
    """After a Compromise the authority is another one: whoever has its key could issue anything."""
    world = issued()
    old = authority(world)
    world.ask("leak", "Compromise", revoke="Immediately")
    world.run(HOUR)
    assert states(world) == {1: "Revoked", 2: "Active"}
    assert authority(world) != old
    rotated(world, lasts=MINUTE)
    assert authority(world, "api-v2") == authority(world, "api-v3") != old


def test_a_version_made_again_from_the_bundle_has_no_authority() -> None:
    """Its Secret comes back as far as the bundle shows it; nothing stalls, and the next version has an authority."""
    world = issued()
    old = authority(world)
    del world.secrets["api-v1"]
    world.inspect("api")
    assert set(values(world, "api-v1")) == SHOWN
    rotated(world)
    assert states(world) == {1: "Revoked", 2: "Active"}
    assert authority(world, "api-v2") != old
    assert "issuer.key" in values(world, "api-v2")


def test_a_version_that_somebody_brings_back_is_taken_as_it_is() -> None:
    """A Secret restored from a backup, owner and all, holds more than the bundle, and is the version all the same."""
    world = issued()
    old, uid = world.secrets.pop("api-v1"), world.credentials["api"].uid
    world.secrets["api-v1"] = replace(old, uid=world.next_id(), owner=uid)
    world.inspect("api")
    assert verdict(world, "Stalled") == ("False", "None")
    rotated(world)
    assert authority(world, "api-v2") == old.material.reveal()["ca.crt"]


def test_a_lost_status_loses_neither_authority_nor_end() -> None:
    """The ledger is rebuilt from the bundle and the versions' Secrets; the end is read off the certificate."""
    world = issued()
    before = world.credentials["api"].status.versions[0]
    world.lose_status("api")
    world.run(HOUR)
    after = world.credentials["api"].status.versions[0]
    assert after.expiration_time == before.expiration_time is not None
    old = authority(world)
    rotated(world)
    assert authority(world) == old


def test_a_handmade_certificate_is_taken_over() -> None:
    """It ends when it says itself, and is replaced before, whatever the interval says."""
    world = World()
    made = make("certificate", None, world.time, 3 * DAY, **SHOP)
    world.put("api", {key: value for key, value in made.material.reveal().items() if key in SHOWN})
    world.apply("api", certificate(target={"adopt": "Unowned"}))
    world.run(HOUR)
    (version,) = world.credentials["api"].status.versions
    assert version.expiration_time == floor(world.time.replace(minute=0) - HOUR + 3 * DAY)
    world.run(3 * DAY - HOUR)
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert authority(world) != made.material.reveal()["ca.crt"]


@pytest.mark.parametrize("key", ["ca.crt", "tls.crt"])
def test_what_is_no_certificate_is_not_taken_over(key: str) -> None:
    """A key that is missing, or holds something else, is named, and nothing is made."""
    world = World()
    made = make("certificate", None, world.time, 3 * DAY, **SHOP)
    shown = {one: value for one, value in made.material.reveal().items() if one in SHOWN}
    shown.pop(key)
    world.put("api", {**shown, **({"tls.crt": b"nonsense"} if key == "tls.crt" else {})})
    world.apply("api", certificate(target={"adopt": "Unowned"}))
    world.run(MINUTE)
    assert verdict(world, "Stalled") == ("True", "InvalidSpec")
    assert key in condition(world, "Stalled").message


def test_authorities_follow_each_other() -> None:
    """Over two years every certificate is good, for its whole life, by the authority that stands beside it."""
    world = issued()
    roots, leaves, end = [], set(), world.time + 730 * DAY
    while world.time < end:
        world.run(5 * DAY)
        held = values(world)
        root = x509.load_pem_x509_certificate(held["ca.crt"])
        leaf = x509.load_pem_x509_certificate(held["tls.crt"])
        leaf.verify_directly_issued_by(root)
        assert world.time < leaf.not_valid_after_utc <= root.not_valid_after_utc
        roots += [root] if root not in roots else []
        leaves.add(leaf.serial_number)
    assert len(roots) == 3
    assert len(leaves) >= 73


def test_a_version_expires_only_if_nobody_lets_it_be_replaced() -> None:
    """Suspended, it is said before and after; resumed, a newer one takes its place at once, and the old one goes."""
    world = issued()
    world.apply("api", certificate(suspend=True))
    ends = world.credentials["api"].status.versions[0].expiration_time
    assert ends is not None
    world.run(ends - DAY - world.time - MINUTE)
    assert verdict(world, "Expiring") == ("False", "None")
    world.run(2 * MINUTE)
    assert verdict(world, "Expiring") == ("True", "AboutToExpire")
    assert verdict(world, "Ready") == ("True", "Suspended")
    world.run(DAY)
    assert verdict(world, "Expiring") == ("True", "Expired")
    assert verdict(world, "Ready") == ("False", "Expired")
    assert world.said().count("Expiring") == 2
    world.apply("api", certificate())
    world.run(MINUTE)
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert verdict(world, "Expiring") == ("False", "None")
    assert verdict(world, "Ready")[0] == "True"
    world.run(HOUR)
    assert states(world) == {1: "Revoked", 2: "Active"}
