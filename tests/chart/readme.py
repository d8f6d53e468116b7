"""The table of values in the chart's README, made from values.yaml: `python -m tests.chart.readme` writes it."""

import re
import sys
from collections.abc import Iterator
from typing import Any

import yaml

from tests.chart.helm import CHART

README = CHART / "README.md"
_BEGIN, _END = "<!-- values: begin -->", "<!-- values: end -->"


def leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Give the path and the default of every value; an empty mapping is one."""
    if isinstance(values, dict) and values:
        for name, value in values.items():
            yield from leaves(value, f"{path}.{name}" if path else name)
    else:
        yield path, values


def meanings() -> dict[str, str]:
    """Return the sentence that stands before each value in values.yaml."""
    found: dict[str, str] = {}
    path: list[str] = []
    said = ""
    for line in (CHART / "values.yaml").read_text().splitlines():
        if comment := re.match(r"\s*# -- (.*)", line):
            said = comment[1]
        elif key := re.match(r"( *)(\w+):", line):
            path = [*path[: len(key[1]) // 2], key[2]]
            if said:
                found[".".join(path)] = said
            said = ""
    return found


def table() -> str:
    """Return the table."""
    said = meanings()
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    rows = [f"| `{path}` | `{_shown(value)}` | {said[path]} |" for path, value in leaves(values)]
    return "\n".join(["| Value | Default | Meaning |", "| --- | --- | --- |", *rows])


def written() -> str:
    """Return the README as it should be."""
    text = README.read_text()
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{table()}\n{_END}{after}"


def _shown(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip().replace("''", '""')


if __name__ == "__main__":
    README.write_text(written())
    sys.exit(0)
