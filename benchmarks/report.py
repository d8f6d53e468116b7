"""The figures as a table for people and as JSON for comparisons."""

import json
import os
import platform
import signal
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import figures
from benchmarks.figures import Figures, Row

WIDTH = 120
_MANY = 5_000


def end_in_order() -> None:
    """Have SIGTERM end the process as if it were interrupted, so that the servers and the operator end too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def write(runs: Sequence[Any], path: Path) -> None:
    """Write everything that was measured."""
    about = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"about": about, "runs": [asdict(run) for run in runs]}, indent=1) + "\n")


def show(runs: Sequence[Figures]) -> None:
    """Print the table, and what lies behind it for each number of credentials."""
    console = Console(width=WIDTH)
    table = Table(title="Rekey beside others, on two cores and the same API server", width=WIDTH)
    table.add_column("")
    for heading in (*("External\nSecrets", "tuned", "cert-\nmanager", "tuned", "spike"), "Rekey\nnow", "Rekey\ntarget"):
        table.add_column(heading, justify="right")
    few = next((run for run in runs if run.count < _MANY), None)
    many = next((run for run in runs if run.count >= _MANY), None)
    for row, measured in rows(few, many):
        table.add_row(
            *(row.what, row.external_secrets, row.external_secrets_tuned, row.cert_manager, row.cert_manager_tuned),
            *(row.spike, f"[bold]{measured}[/bold]", row.target),
        )
    console.print(table)
    for run in runs:
        console.print(*_behind(run), sep="\n", highlight=False, soft_wrap=False)


def rows(few: Figures | None, many: Figures | None) -> list[tuple[Row, str]]:
    """Return the lines of the table and what was measured for each."""
    one = few or many
    if one is None:
        return []
    found = [
        (figures.RATE, _f(few.rate if few else None, 0)),
        (figures.RATE_MANY, _f(many.rate if many else None, 0)),
        (figures.ASKED, _f(one.request_rate, 0)),
        (figures.COST, _f(many.to_active / many.count / (few.to_active / few.count), 2) if few and many else "–"),
        (figures.CALLS, f"{one.calls:.2f}"),
        (figures.EVENTS, f"{one.events:.2f}"),
        (figures.WHOLE, f"{one.whole_calls:.2f}"),
        (figures.CPU, _f(few.cpu_ms if few else None, 2)),
        (figures.CPU_MANY, _f(many.cpu_ms if many else None, 2)),
        (figures.MEMORY, _f(few.peak_mib if few else None, 0)),
        (figures.MEMORY_MANY, _f(many.peak_mib if many else None, 0)),
    ]
    last = many or one
    found += [
        (figures.IDLE, f"{last.idle_writes} ({last.idle_reads})"),
        (figures.IDLE_CPU, _f(1000 * last.idle_cpu, 0)),
        (figures.STARTUP, _f(many.startup if many else None, 1)),
        (figures.STARTUP_WRITES, _f(many.startup_writes if many else None, 0)),
        (figures.TRICKLE, _f(one.trickle_p99, 2)),
    ]
    return found


def _f(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _behind(run: Figures) -> list[str]:
    raw = ", ".join(f"{value:.0f} {what}" for what, value in run.raw.items())
    requests = ", ".join(f"{number:g} {what}" for what, number in run.requests.items())
    shares = ", ".join(f"{ms:.2f} {name}" for name, ms in run.cpu_ms_by_process.items())
    asked = ", ".join(f"{number:g} {what}" for what, number in run.request_requests.items())
    whole = ", ".join(f"{number:g} {what}" for what, number in run.whole_requests.items())
    return [
        f"\n{run.count:,} credentials: {run.rate:.0f}/s from the first trigger to the last Active",
        f"  {run.rate_middle:.0f}/s over the middle 80 %; all were asked for after {run.triggers_done:.1f} s",
        f"  the rest came at {run.rate_after:.0f}/s",
        f"  the same API server alone, 64 in flight, a second: {raw}",
        f"  CPU of one, ms: {shares}; others used {run.others_share:.0%} of the machine meanwhile",
        f"  requests to Active: {requests}",
        f"  requests of a whole rotation ({run.whole_count:,}): {whole}; {run.whole_events:.2f} Events",
        f"  by one RotationRequest ({run.whole_count:,}): {run.request_rate:.0f}/s; requests to Active: {asked}",
        f"  one by one ({run.trickle_count}): {run.trickle_p50:.3f} s (median), {run.trickle_p99:.3f} s (99 %)",
        f"  the same writes by hand: {run.by_hand_p50:.3f} s (median), {run.by_hand_p99:.3f} s (99 %)",
        f"  first version of each: {run.first_issue_rate:.0f}/s, {run.first_issue_peak_mib:.0f} MiB",
        f"  start: {run.startup:.2f} s, {run.startup_writes} writes, {run.startup_cpu:.1f} s CPU",
    ]
