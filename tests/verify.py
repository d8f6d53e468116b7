"""Run every check and every test, and close with one summary: `python -m tests.verify check|test|test-full`.

1. A step that succeeds says so in one line; a check that fails shows all it has to say.
2. A later step runs although an earlier one failed: one run tells everything there is to mend.
3. A skipped test is named with its reason in the summary: nothing is missing silently.
"""

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.versions import SOURCES

ROOT = Path(__file__).parent.parent
REPORTS = ROOT / "build" / "tests"
BIN = Path(sys.executable).parent
PYTEST = (sys.executable, "-m", "pytest", "-q")
LAYOUT = "tests/test_layout.py"
NO_TESTS = 5
WORKERS = str((os.cpu_count() or 1) * 3)
"""Three for each core: tests of the real thing wait two thirds of their time."""

LAVISH = {"GOGC": "400"}
"""The servers of the tests are Go's: one that may hold more memory spends a tenth less time on collecting it."""

CHECKS: dict[str, tuple[str, ...]] = {
    "format": (sys.executable, "-m", "ruff", "format", "--check", "--quiet", "."),
    "lint": (sys.executable, "-m", "ruff", "check", "--quiet", "."),
    "types": (sys.executable, "-m", "mypy"),
    "imports": (str(BIN / "lint-imports"),),
    "layout": (*PYTEST, "-p", "no:cacheprovider", LAYOUT),
    # Besides what it says: what pytest makes of the tests' code is made once then, and not by each worker.
    "tests can be read": (*PYTEST, "-q", "-p", "no:cacheprovider", "--collect-only"),
}
TESTS: dict[str, tuple[str, ...]] = {
    "tests": ("-n", WORKERS, "--dist", "loadgroup", "-m", "not exclusive and not node"),
    # In groups: those with a real kubelet wait nearly all the time, and the two halves of the faults do half of it.
    # There is a worker for each: of three, xdist gave one of them both halves.
    "tests, one at a time": ("-n", "4", "--dist", "loadgroup", "-m", "(exclusive or node)"),
}


@dataclass
class Step:
    """What one step came to."""

    name: str
    failed: bool
    seconds: float
    counts: Counter[str] = field(default_factory=Counter)
    skips: Counter[str] = field(default_factory=Counter)

    def line(self) -> str:
        """Return the step as one line of the summary."""
        counts = ", ".join(f"{number} {what}" for what, number in self.counts.items() if number)
        outcome = "FAILED" if self.failed else "ok"
        return f"  {outcome:6}  {self.name:22} {self.seconds:7.1f} s  {counts}".rstrip()


def check(name: str, command: Sequence[str]) -> Step:
    """Run a check, silent unless it fails."""
    start = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    step = Step(name, done.returncode != 0, time.monotonic() - start)
    if step.failed:
        print(f"--- {name}: {' '.join(command)}\n{done.stdout}", flush=True)
    print(step.line(), flush=True)
    return step


def servers() -> None:
    """Build what the cache of servers lacks, before the time of any test runs; what cannot be built its tests tell."""
    command = (sys.executable, "-m", "tests.cluster", "build", *SOURCES)
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)


def test(name: str, options: Sequence[str], *, slow: bool) -> Step:
    """Run pytest, live on the terminal, and read its report afterwards."""
    *others, marks = options
    REPORTS.mkdir(parents=True, exist_ok=True)
    report = REPORTS / f"{name.replace(', ', '-').replace(' ', '-')}.xml"
    report.unlink(missing_ok=True)
    start = time.monotonic()
    print(f"\n--- {name}", flush=True)
    chosen = marks if slow else f"{marks} and not slow"
    everything = ("--continue-on-collection-errors", f"--ignore={LAYOUT}", f"--junit-xml={report}")
    command = (*PYTEST, *others, chosen, *everything)
    examples = {"HYPOTHESIS_PROFILE": "search"} if slow else {}
    code = subprocess.run(command, cwd=ROOT, env=examples | environment(), check=False).returncode
    return read(report, Step(name, code not in {0, NO_TESTS}, time.monotonic() - start))


def environment() -> dict[str, str]:
    """Return ours, but what was compiled is kept: each operator that a test starts would else be compiled anew."""
    return LAVISH | {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def read(report: Path, step: Step) -> Step:
    """Add to the step what pytest's report counted."""
    if not report.exists():
        return step
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314  # pytest wrote it a moment ago
        outcome = "passed"
        for child in case:
            if child.tag == "skipped":
                outcome = "skipped"
                step.skips[child.get("message", "no reason given")] += 1
            elif child.tag in {"failure", "error"}:
                outcome = "failed"
        step.counts[outcome] += 1
    return step


def main(verb: str) -> int:
    """Run what the verb names and return the exit code."""
    if verb not in {"check", "test", "test-full"}:
        print(__doc__, file=sys.stderr)
        return 2
    with ThreadPoolExecutor() as side_by_side:
        steps = list(side_by_side.map(check, CHECKS, CHECKS.values()))
    if verb != "check":
        servers()
        steps += [test(name, options, slow=verb == "test-full") for name, options in TESTS.items()]
        print("\nSummary\n" + "\n".join(step.line() for step in steps))
        for reason, number in sum((step.skips for step in steps), Counter()).items():
            print(f"  SKIPPED {number} test{'s' if number > 1 else ''}: {reason}")
    failed = [step.name for step in steps if step.failed]
    print(f"\n{verb}: {'FAILED: ' + ', '.join(failed) if failed else 'all good'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) == 2 else ""))
