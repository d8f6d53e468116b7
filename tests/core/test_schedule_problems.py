"""What admission cannot judge because it takes a calendar is found, with the path of the field."""

import pytest

from rekey.core import schedule
from rekey.core.spec import RotatedCredentialSpec

BERLIN = "Europe/Berlin"
DAILY = {"schedule": "0 2 * * *", "duration": "2h"}


def spec(times: dict[str, object], overlap: dict[str, str] | None = None, settle: str = "0s") -> RotatedCredentialSpec:
    """Return a spec of which only the times matter."""
    return RotatedCredentialSpec.model_validate(
        {"generate": {"hmacKey": {}}, "rotation": times, "overlap": overlap or {}, "validation": {"settle": settle}}
    )


PROBLEMS: dict[str, tuple[RotatedCredentialSpec, dict[str, str]]] = {
    "an interval": (spec({"interval": "720h"}), {}),
    "a schedule": (spec({"schedule": "0 3 * * 1", "timeZone": BERLIN}), {}),
    "an overlap a second shorter than the interval": (
        *(spec({"interval": "2h"}, {"duration": "1h59m", "propagation": "59s"}),),
        *({},),
    ),
    "an overlap as long as the interval": (
        spec({"interval": "2h"}, {"duration": "1h59m", "propagation": "1m"}),
        {"spec.overlap.duration": "it takes 2h, which must be shorter than `rotation.interval`, 2h"},
    ),
    "an overlap and a time to settle a second shorter than the schedule's gap": (
        *(spec({"schedule": "0 */2 * * *"}, {"duration": "1h59m"}, "59s"),),
        *({},),
    ),
    "an overlap and a time to settle as long as the schedule's gap": (
        spec({"schedule": "0 */2 * * *"}, {"duration": "1h59m"}, "1m"),
        {"spec.overlap.duration": "with `propagation` and `validation.settle` it takes 2h, which must be shorter"},
    ),
    "a lifetime into which the time to settle does not fit": (
        spec({"schedule": "0 3 * * *", "lifetime": "25h"}, {"duration": "2h"}, "23h"),
        {
            "spec.overlap.duration": "it takes 25h",
            "spec.rotation.lifetime": "25h must be longer than 25h",
        },
    ),
    "a cron minute 60": (
        spec({"schedule": "60 * * * *"}),
        {"spec.rotation.schedule": "'60 * * * *' is not a cron expression: bad minute"},
    ),
    "a schedule that never fires": (
        spec({"schedule": "0 0 30 2 *"}),
        {"spec.rotation.schedule": "'0 0 30 2 *' never fires"},
    ),
    "an unknown time zone": (
        spec({"schedule": "0 3 * * 1", "timeZone": "Mars/Base"}),
        {"spec.rotation.timeZone": "there is no time zone 'Mars/Base'"},
    ),
    "a window that never opens in an unknown zone, the second of two": (
        spec({"interval": "720h", "windows": [DAILY, {**DAILY, "schedule": "0 0 31 4 *", "timeZone": "X"}]}),
        {
            "spec.rotation.windows[1].schedule": "never fires",
            "spec.rotation.windows[1].timeZone": "there is no time zone 'X'",
        },
    ),
    "an overlap as long as the schedule's gap": (
        spec({"schedule": "0 */2 * * *"}, {"duration": "2h"}),
        {"spec.overlap.duration": "the shortest time between two firings of `rotation.schedule`, 2h"},
    ),
    "an overlap that fits the schedule but for the day of 23 hours": (
        spec({"schedule": "0 3 * * *", "timeZone": BERLIN}, {"duration": "23h30m"}),
        {"spec.overlap.duration": "firings of `rotation.schedule`, 23h"},
    ),
    "the same overlap in UTC": (spec({"schedule": "0 3 * * *"}, {"duration": "23h30m"}), {}),
    "windows that a daily schedule could never keep": (
        spec({"schedule": "0 3 * * *", "windows": [DAILY]}),
        {"spec.rotation.urgentBefore": "24h must be shorter than the shortest time between two firings"},
    ),
    "the same with windows that are only preferred": (
        *(spec({"schedule": "0 3 * * *", "windows": [DAILY], "windowPolicy": "Prefer"}),),
        *({},),
    ),
    "a lifetime longer than the schedule's gap": (spec({"schedule": "0 3 * * 1", "lifetime": "720h"}), {}),
    "a lifetime shorter than the schedule's gap: it comes more often": (
        *(spec({"schedule": "0 3 * * 1", "lifetime": "24h"}),),
        *({},),
    ),
    "a lifetime of nothing but overlap": (
        spec({"schedule": "0 3 * * 1", "lifetime": "1h30s"}, {"duration": "1h", "propagation": "30s"}),
        {"spec.rotation.lifetime": "1h30s must be longer than 1h30s"},
    ),
    "a lifetime in which windows would always be ignored": (
        spec({"schedule": "0 3 1 * *", "lifetime": "24h", "windows": [DAILY]}),
        {"spec.rotation.lifetime": "24h must be longer than 24h"},
    ),
    "the same with windows that are only preferred, and a lifetime": (
        *(spec({"schedule": "0 3 1 * *", "lifetime": "24h", "windows": [DAILY], "windowPolicy": "Prefer"}),),
        *({},),
    ),
    "a daily schedule that is urgent late enough": (
        *(spec({"schedule": "0 3 * * *", "windows": [DAILY], "urgentBefore": "4h"}),),
        *({},),
    ),
}


@pytest.mark.parametrize("situation", PROBLEMS)
def test_the_problems_are(situation: str) -> None:
    """What takes a calendar to judge is found, with the path of the field; nothing else is."""
    asked, expected = PROBLEMS[situation]
    found = {problem.path: problem.message for problem in schedule.problems(asked)}
    assert found.keys() == expected.keys()
    for path, message in expected.items():
        assert message in found[path]
