"""What the API server must refuse about what a rotation waits for: each case changes one field of an accepted spec."""

from typing import Final

from tests.kube.refusals import Refusal

R = Refusal
HEALTH: Final = {
    "another word for healthy consumers": R("waiting", "validation/consumers", "Always", "Unsupported value"),
    "a credential that goes before itself": R("waiting", "validation/after", "orders", "must be another"),
    "a first credential in upper case": R("waiting", "validation/after", "Staging", "should match"),
    "a first credential without a name": R("waiting", "validation/after", "", "at least 1 chars"),
    "a first credential with an endless name": R("waiting", "validation/after", "a" * 254, "may not be more than"),
    "a time to settle without a unit": R("waiting", "validation/settle", "60", "should match"),
    "a second more than a day to settle": R("waiting", "validation/settle", "24h1s", "must be from 0s to 24h"),
    "no time between two rotations": R(
        "settling", "validation/settle", "2h", "must, with `overlap.duration` and `overlap.propagation`, be less"
    ),
}
