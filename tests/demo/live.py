"""The demo on a terminal: one picture that changes as the rotation goes on."""

from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from tests.demo import story
from tests.demo.looking import Look, Version

_STATES = {"Active": "bold green", "Retiring": "yellow", "Revoking": "red", "Revoked": "dim", "Discarded": "dim"}
_PODS = {"ready": "green", "starting": "cyan", "ending": "dim"}
_EVENTS = 8


class Picture:
    """Shows every look in place of the one before; what it shows last stays."""

    def __init__(self, console: Console, began: datetime) -> None:
        self._began = began
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        """Take the terminal."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""
        self._live.stop()

    def show(self, look: Look) -> None:
        """Show this."""
        self._live.update(picture(look, self._began), refresh=True)


def picture(look: Look, began: datetime) -> RenderableType:
    """Return the whole picture: 23 lines, so that it fits every terminal."""
    number = min(story.completed(look) + 1, story.ROTATIONS)
    title = f"{_since(look.at, began)}  rotation {number} of {story.ROTATIONS}: {story.doing(look)}"
    parts = Table.grid(padding=(0, 3, 0, 0))
    parts.add_column(style="bold", min_width=8)
    parts.add_column(ratio=1)
    parts.add_row("versions", _versions(look, began))
    parts.add_row("pods", _pods(look))
    parts.add_row("bundle", _keys(look))
    parts.add_row("overlap", _overlap(look))
    parts.add_row("", "")
    parts.add_row("events", _events(look, began))
    return Group(Rule(title, align="left", style="blue"), parts, Rule(style="blue"))


def _since(at: datetime | None, began: datetime) -> str:
    return "" if at is None else f"{max(timedelta(), at - began).total_seconds():3.0f} s"


def _versions(look: Look, began: datetime) -> RenderableType:
    # Always five lines, so that nothing below jumps.
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for heading in ("number", "state", "made at", "current from", "to"):
        table.add_column(heading, min_width=8)
    for version in look.versions:
        table.add_row(*_row(version, began), style=_STATES.get(version.state, ""))
    for _ in range(story.ROTATIONS + 2 - len(look.versions)):
        table.add_row("")
    return table


def _row(version: Version, began: datetime) -> tuple[str, ...]:
    times = (version.issued, version.activated, version.retired)
    return str(version.number), version.state, *(_since(at, began) for at in times)


def _pods(look: Look) -> RenderableType:
    # Always five lines: three replicas, the one more that a rolling update makes, and an empty one.
    table = Table.grid(padding=(0, 3, 0, 0))
    for pod in look.pods[:4]:
        current = pod.version == look.current
        mark = Text(f"version {pod.version}", style="bold green" if current else "bold yellow")
        table.add_row(mark, Text(pod.state, style=_PODS[pod.state]), Text(pod.name, style="dim"))
    for _ in range(5 - len(look.pods[:4])):
        table.add_row("")
    return table


def _keys(look: Look) -> RenderableType:
    words = [Text(key, style="yellow" if key.startswith("previous.") else "green") for key in look.keys]
    return Text("   ").join(words) if words else Text("not there yet", style="dim")


def _overlap(look: Look) -> RenderableType:
    left = story.seconds_left(look)
    old = next((version for version in look.versions if version.overlap_start and version.state == "Retiring"), None)
    if left is None or look.overlap_end is None or old is None or old.overlap_start is None:
        return Text("starts when the last pod has moved" if look.step == "RollingOut" else "none", style="dim")
    whole = (look.overlap_end - old.overlap_start).total_seconds()
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_row(
        ProgressBar(total=whole, completed=left, width=40), f"version {old.number} is accepted {left:.0f} s more"
    )
    return line


def _events(look: Look, began: datetime) -> RenderableType:
    table = Table.grid(padding=(0, 3, 0, 0))
    for event in look.events[-_EVENTS:]:
        style = "yellow" if event.warning else ""
        note = Text(event.note, overflow="ellipsis", no_wrap=True)
        table.add_row(_since(event.at, began), Text(event.reason, style=style or "cyan"), note)
    for _ in range(_EVENTS - len(look.events)):
        table.add_row("")
    return table
