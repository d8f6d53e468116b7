"""The models read what the API server admits, say what they cannot read, and never change."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from rekey.core.spec import (
    AtDeadline,
    CharacterClass,
    Consumer,
    Overlap,
    Password,
    Refresh,
    RotatedCredentialSpec,
    Window,
    WindowPolicy,
)
from rekey.core.spec_generate import CHARACTERS, KEYS, Generate
from tests.kube.manifests import TWINS, changed

TOKEN = TWINS["token"]
UNREADABLE = {
    "a field that nobody knows": ("rotation/intervall", "1h", "rotation.intervall"),
    "a duration in days": ("rotation/interval", "30d", "rotation.interval"),
    "a time without a zone": ("hold", {"until": "2026-12-01T00:00:00", "reason": "a"}, "hold.until"),
    "a bound overstepped": ("generate/token/bytes", 31, "generate.token.bytes"),
    "a word that means nothing": ("overlap/atDeadline", "Ask", "overlap.atDeadline"),
    "a deep mistake": ("consumers", [{"kind": "Pod"}], "consumers.0.kind"),
}


def read(spec: dict[str, Any]) -> RotatedCredentialSpec:
    """Return the spec as the operator reads it."""
    return RotatedCredentialSpec.model_validate(spec)


def test_a_minimal_spec_means_what_its_defaults_say() -> None:
    """Nothing but a kind and an interval is needed, and the rest is what the documentation promises."""
    spec = read(TOKEN)
    assert spec.generate is not None
    assert spec.generate.token is not None
    assert (spec.generate.token.prefix, spec.generate.token.bytes) == ("rk_", 32)
    assert spec.rotation.interval == timedelta(days=30)
    assert spec.rotation.window_policy is WindowPolicy.REQUIRE
    assert spec.overlap == Overlap(duration=timedelta(hours=1), deadline=timedelta(days=3), at_deadline=AtDeadline.HOLD)
    assert (spec.target.secret_name, spec.consumers, spec.suspend) == (None, (), False)


def test_everything_written_is_read() -> None:
    """Lists become tuples, words become enums, times have a zone."""
    spec = read(TWINS["everything"])
    assert spec.hold is not None
    assert spec.hold.until == datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert spec.consumers == (Consumer(kind=spec.consumers[0].kind, name="checkout", refresh=Refresh.RESTART),)
    assert read(TWINS["windows"]).rotation.windows == (
        Window(schedule="0 2 * * *", duration=timedelta(hours=2), time_zone="Europe/Berlin"),
    )


def test_a_time_finer_than_python_s_is_read() -> None:
    """The API server admits nanoseconds; they are cut off."""
    spec = read(changed(TOKEN, "hold", {"until": "2026-12-01T00:00:00.123456789Z", "reason": "a"}))
    assert spec.hold is not None
    assert spec.hold.until.microsecond == 123456


@pytest.mark.parametrize("twin", TWINS)
def test_what_is_written_back_reads_the_same(twin: str) -> None:
    """A pinned spec in the status loses nothing."""
    spec = read(TWINS[twin])
    written = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert read(written) == spec


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_named_by_its_path(case: str) -> None:
    """A resource that an older or a newer CRD admitted fails with the path of the field."""
    path, value, field = UNREADABLE[case]
    with pytest.raises(ValidationError) as caught:
        read(changed(TOKEN, path, value))
    assert [".".join(map(str, error["loc"])) for error in caught.value.errors()] == [field]


def test_a_spec_never_changes() -> None:
    """Whoever holds a spec can rely on it."""
    spec = read(TOKEN)
    with pytest.raises(ValidationError, match="frozen"):
        spec.suspend = True  # type: ignore[misc]  # this is what is tried


def test_every_kind_of_value_has_its_keys() -> None:
    """A generator added to the models without keys in the bundle is noticed, and each is told by what is set."""
    assert {field.alias or name for name, field in Generate.model_fields.items()} == set(KEYS)
    assert {kind: read(TWINS[kind]).plain_keys for kind in KEYS} == KEYS


def test_excluded_characters_are_gone_from_every_class() -> None:
    """The alphabets are those of the classes, in their order, without the excluded characters."""
    password = Password(classes=(CharacterClass.DIGIT, CharacterClass.UPPER), exclude="01OI")
    assert password.alphabets() == ("23456789", "ABCDEFGHJKLMNPQRSTUVWXYZ")


def test_no_character_is_in_two_classes_or_ends_a_quoted_text() -> None:
    """The classes are disjoint and leave out quotes, backquote, backslash and space."""
    every = "".join(CHARACTERS.values())
    assert len(set(every)) == len(every) == 90
    assert not set(every) & set("'\"`\\ ")
