"""What the API server must refuse: each case changes one field of an accepted spec."""

import re
from dataclasses import dataclass
from typing import Any, Final

from tests.kube.manifests import GONE


@dataclass(frozen=True)
class Refusal:
    """One change to an accepted spec and words of the answer.

    The answer must name the changed field, or the field `at`, where another one is to be mended.
    """

    twin: str
    path: str
    value: Any
    says: str
    at: str | None = None
    also: tuple[str, ...] = ()
    """What the answer names besides, because nothing else can be had."""

    @property
    def field(self) -> str:
        """Return the field that the answer must name, as the API server writes it."""
        path = re.sub(r"\.(\d+)", r"[\1]", self.path.replace("/", ".")) if self.at is None else self.at
        return f"spec.{path}".rstrip(".")


R = Refusal
GENERATE: Final = {
    "no kind at all": R("token", "generate/token", GONE, "must have exactly one of", at="generate"),
    "two kinds": R("token", "generate/hmacKey", {}, "must have exactly one of", at="generate"),
    "a password too short for any class": R("password", "generate/password/length", 19, "greater than or equal to 20"),
    "a password too long": R("password", "generate/password/length", 257, "less than or equal to 256"),
    "a password one character too short for its classes": R(
        "weak password", "generate/password/length", 21, "less than 128 bits"
    ),
    "a password of fewer classes at the same length": R(
        "weak password",
        "generate/password/classes",
        ["Upper"],
        "less than 128 bits",
        at="generate.password.length",
    ),
    "a password with too much excluded": R(
        "weak password",
        "generate/password/exclude",
        "0123456",
        "less than 128 bits",
        at="generate.password.length",
    ),
    "digits, one too few": R("digits", "generate/password/length", 38, "less than 128 bits"),
    "a class without any character left": R(
        "password", "generate/password/exclude", "9876543210", "must leave at least one"
    ),
    "an excluded character that is not ASCII": R("password", "generate/password/exclude", "ö", "should match"),
    "no class": R("password", "generate/password/classes", [], "at least 1 items"),
    "an unknown class": R(
        "password",
        "generate/password/classes",
        ["Emoji"],
        "Unsupported value",
        at="generate.password.classes[0]",
    ),
    "a class twice": R(
        "password",
        "generate/password/classes",
        ["Upper", "Upper"],
        "Duplicate",
        at="generate.password.classes[1]",
    ),
    "a token prefix without its underscore": R("token", "generate/token/prefix", "ord", "should match"),
    "a token prefix in upper case": R("token", "generate/token/prefix", "ORD_", "should match"),
    "a token prefix too long": R("token", "generate/token/prefix", "a" * 17 + "_", "may not be more than 17"),
    "a token of 31 bytes": R("token", "generate/token/bytes", 31, "greater than or equal to 32"),
    "a token of 513 bytes": R("token", "generate/token/bytes", 513, "less than or equal to 512"),
    "an owner of two lines": R("token", "generate/token/owner", "a\nb", "should match"),
    "an owner too long": R("token", "generate/token/owner", "a" * 129, "may not be more than 128"),
    "a metadata key with a space": R("token", "generate/token/metadata", {"cost centre": "7"}, "must have keys of"),
    "metadata that is no text": R(
        "token", "generate/token/metadata", {"a": 7}, "must be of type string", at="generate.token.metadata.a"
    ),
    "too much metadata": R(
        "token", "generate/token/metadata", {f"k{n}": "" for n in range(17)}, "must have at most 16"
    ),
    "an HMAC key of 31 bytes": R("hmacKey", "generate/hmacKey/bytes", 31, "greater than or equal to 32"),
    "an HMAC key of 129 bytes": R("hmacKey", "generate/hmacKey/bytes", 129, "less than or equal to 128"),
    "an unknown encoding": R("hmacKey", "generate/hmacKey/encoding", "Base32", "Unsupported value"),
}

ROTATION: Final = {
    "no rotation": R("token", "rotation", GONE, "must have exactly one of"),
    "neither interval nor schedule": R("token", "rotation/interval", GONE, "must have exactly one of", at="rotation"),
    "interval and schedule": R("token", "rotation/schedule", "0 3 * * *", "must have exactly one of", at="rotation"),
    "an interval in days": R("token", "rotation/interval", "30d", "should match"),
    "an interval with a fraction": R("token", "rotation/interval", "1.5h", "should match"),
    "a negative interval": R("token", "rotation/interval", "-1h", "should match"),
    "an interval that is a number": R("token", "rotation/interval", 3600, "type string"),
    "an interval below a second": R("zero overlap", "rotation/interval", "999ms", "must be from 1s"),
    "an interval above ten years": R("token", "rotation/interval", "87601h", "must be from 1s"),
    "an interval that would overflow": R(
        "token", "rotation/interval", "999999h999999h999999h", "may not be more than 20"
    ),
    "an interval shorter than the overlap": R(
        "token", "rotation/interval", "30m", "be less than `rotation.interval`", at="overlap.duration"
    ),
    "a schedule of four fields": R("schedule", "rotation/schedule", "0 3 * *", "should match"),
    "a schedule of six fields": R("schedule", "rotation/schedule", "0 0 3 * * *", "should match"),
    "a schedule by nickname": R("schedule", "rotation/schedule", "@daily", "should match"),
    "a schedule too long": R("schedule", "rotation/schedule", "1," * 50 + "1 * * * *", "may not be more than 100"),
    "a time zone that is a path": R("schedule", "rotation/timeZone", "../etc/passwd", "should match"),
    "a time zone without a schedule": R(
        "token", "rotation/timeZone", "Europe/Berlin", "must be set only with `schedule`"
    ),
    "too much jitter": R("token", "rotation/jitterPercent", 51, "less than or equal to 50"),
    "negative jitter": R("token", "rotation/jitterPercent", -1, "greater than or equal to 0"),
    "a window without a schedule": R("windows", "rotation/windows/0/schedule", GONE, "Required"),
    "a window without a duration": R("windows", "rotation/windows/0/duration", GONE, "Required"),
    "a window that never opens": R("windows", "rotation/windows/0/duration", "0s", "must be from 1s to 168h"),
    "a window longer than a week": R("windows", "rotation/windows/0/duration", "169h", "must be from 1s to 168h"),
    "a window whose schedule is no cron": R("windows", "rotation/windows/0/schedule", "daily", "should match"),
    "nine windows": R(
        "windows",
        "rotation/windows",
        [{"schedule": f"{n} 2 * * *", "duration": "1h"} for n in range(9)],
        "must have at most 8",
    ),
    "an unknown window policy": R("windows", "rotation/windowPolicy", "Ignore", "Unsupported value"),
    "urgent for the whole interval": R("windows", "rotation/urgentBefore", "720h", "must be less than `interval`"),
    "urgent for more than a year": R("schedule", "rotation/urgentBefore", "8761h", "must be from 0s to 8760h"),
    "a trigger that is empty": R("token", "rotation/trigger", "", "at least 1 chars"),
    "a trigger too long": R("token", "rotation/trigger", "a" * 65, "may not be more than 64"),
    "a trigger of two lines": R("token", "rotation/trigger", "a\nb", "should match"),
}

OVERLAP: Final = {
    "an overlap without a unit": R("overlap", "overlap/duration", "2", "should match"),
    "an overlap as long as the interval": R(
        "zero overlap", "overlap/duration", "10h", "be less than `rotation.interval`"
    ),
    "no overlap although somebody uses it": R("named consumers", "overlap/duration", "0s", "must be greater than 0s"),
    "a consumer although nothing overlaps": R(
        "zero overlap",
        "consumers",
        [{"kind": "Job", "name": "a", "refresh": "None"}],
        "must be greater than 0s",
        at="overlap.duration",
    ),
    "a propagation longer than a day": R("schedule", "overlap/propagation", "25h", "must be from 0s to 24h"),
    "a deadline as long as overlap and propagation": R(
        "overlap", "overlap/deadline", "2h90s", "must be greater than `duration`"
    ),
    "a deadline of nothing": R("overlap", "overlap/deadline", "0s", "must be from 1s to 8760h"),
    "a deadline longer than a year": R("overlap", "overlap/deadline", "8761h", "must be from 1s to 8760h"),
    "an unknown act at the deadline": R("overlap", "overlap/atDeadline", "Ask", "Unsupported value"),
    "a hold without a reason": R("everything", "hold/reason", GONE, "Required"),
    "a hold with an empty reason": R("everything", "hold/reason", "", "at least 1 chars"),
    "a hold without an end": R("everything", "hold/until", GONE, "Required"),
    "a hold until a date": R("everything", "hold/until", "2026-12-01", "should match"),
    "a hold in no time zone": R("everything", "hold/until", "2026-12-01T00:00:00", "should match"),
    "a hold until the 30th of February": R(
        "everything", "hold/until", "2027-02-30T00:00:00Z", "must be of type date-time"
    ),
    "an unknown revocation policy": R("token", "revocationPolicy", "Later", "Unsupported value"),
    "an unknown deletion policy": R("token", "deletionPolicy", "Orphan", "Unsupported value"),
    "too long a history": R("token", "revisionHistoryLimit", 21, "less than or equal to 20"),
    "a history of less than nothing": R("token", "revisionHistoryLimit", -1, "greater than or equal to 0"),
    "a suspend that is a word": R("token", "suspend", "yes", "must be of type boolean"),
}

REFUSED: Final = {**GENERATE, **ROTATION, **OVERLAP}
