"""What is asked of Prometheus by default, judged by Prometheus' own tool: which counts mean that a version is used."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from string import Template
from typing import Any

import pytest

from rekey.core.usage import KIT

PROMTOOL = shutil.which("promtool")

pytestmark = pytest.mark.skipif(not PROMTOOL, reason="no promtool here: install Debian's prometheus")

FILLED = Template(KIT).substitute(namespace="shop", name="orders", version="7", quiet="30m")
HERE = {"rekey_client_degraded": "0x200"}


def count(samples: str, **labels: str) -> dict[str, str]:
    """Return the series of one verifier, a sample a minute in promtool's notation (`_`: none, `1x3`: 1 and 3 more)."""
    own = {"instance": "a", "credential": "shop/orders", "reason": "accepted", "version": "7", **labels}
    text = ",".join(f'{name}="{value}"' for name, value in own.items())
    return {f"rekey_client_validations_total{{{text}}}": samples}


CASES: dict[str, tuple[dict[str, str], bool | None]] = {
    "nobody ever used it": (HERE, False),
    "it was used until 90 minutes ago": ({**HERE, **count("5+1x10 15x100")}, False),
    "it was used until 20 minutes ago": ({**HERE, **count("5+1x80 85x30")}, True),
    "another version is used": ({**HERE, **count("5x120"), **count("0+1x120", version="8")}, False),
    "that version of another credential is used": (
        {**HERE, **count("5x120"), **count("0+1x120", credential="shop/o")},
        False,
    ),
    "who shows it is refused": ({**HERE, **count("0+1x120", reason="insufficient_scope")}, False),
    "it was used once, of which the first sample tells": ({**HERE, **count("_x90 1x30")}, True),
    "it was used once, by way of a verifier that ended": ({**HERE, **count("_x80 1x3 stale")}, True),
    "one of two verifiers saw it": ({**HERE, **count("9x120"), **count("3x85 4x30", instance="b")}, True),
    "a verifier began anew and nobody used it since": ({**HERE, **count("9x85 stale")}, False),
    "no verifier is seen": ({}, None),
    "no verifier is seen any more, and one was in use": (count("5+1x80 85x5 stale"), True),
    "no verifier is seen any more": ({**count("5x90 stale"), "rekey_client_degraded": "0x90 stale"}, None),
}
"""What was collected, and whether the version counts as used after 100 minutes (None: nobody can tell)."""


_ANSWER = f"({FILLED})"
TOLD = {
    True: [f"count({_ANSWER} > 0)"],
    False: [f"absent({_ANSWER})"],
    # What is no number differs from itself.
    None: [f"count({_ANSWER} != {_ANSWER})", f"absent({_ANSWER} == {_ANSWER})"],
}
"""Expressions that are 1 if the answer is as it should be: its own value is not of interest."""


@pytest.mark.parametrize("case", CASES)
def test_the_question_tells(case: str, tmp_path: Path) -> None:
    """By Prometheus' own reckoning."""
    series, used = CASES[case]
    checks = [{"expr": text, "eval_time": "100m", "exp_samples": [{"labels": "{}", "value": 1}]} for text in TOLD[used]]
    test: dict[str, Any] = {
        "interval": "1m",
        "input_series": [{"series": name, "values": samples} for name, samples in series.items()],
        "promql_expr_test": checks,
    }
    path = tmp_path / "test.yml"
    path.write_text(json.dumps({"evaluation_interval": "1m", "tests": [test]}))
    done = subprocess.run([str(PROMTOOL), "test", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
