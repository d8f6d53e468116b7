"""The demo on a terminal: one picture that changes as the rotation goes on."""

from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from tests.demo import story
from tests.demo.looking import Look, Version

_STATES = {"Active": "bold green", "Retiring": "yellow", "Revoking": "red", "Revoked": "dim", "Discarded": "dim"}
_PODS = {"ready": "green", "starting": "cyan", "ending": "dim"}
_EVENTS = 9


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
    """Return the whole picture."""
    number = min(story.completed(look) + 1, story.ROTATIONS)
    title = f"{_since(look.at, began)}  rotation {number} of {story.ROTATIONS}: {story.doing(look)}"
    return Group(
        Rule(title, align="left", style="blue"),
        _part("Versions", _versions(look, began)),
        _part("Pods of Deployment orders, and the version each started with", _pods(look)),
        _part("Keys of Secret orders-api-key", _keys(look)),
        _part("Overlap", _overlap(look)),
        _part("Events", _events(look, began)),
        Rule(style="blue"),
    )


def _part(title: str, what: RenderableType) -> RenderableType:
    return Group(Text(title, style="bold"), Padding(what, (0, 0, 1, 2)))


def _since(at: datetime | None, began: datetime) -> str:
    return "" if at is None else f"{max(timedelta(), at - began).total_seconds():3.0f} s"


def _versions(look: Look, began: datetime) -> RenderableType:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for heading in ("version", "state", "made", "current from", "to"):
        table.add_column(heading, min_width=9)
    for version in look.versions:
        table.add_row(*_row(version, began), style=_STATES.get(version.state, ""))
    return table


def _row(version: Version, began: datetime) -> tuple[str, ...]:
    times = (version.issued, version.activated, version.retired)
    return str(version.number), version.state, *(_since(at, began) for at in times)


def _pods(look: Look) -> RenderableType:
    # Always four lines: three replicas, and the one more that a rolling update makes.
    table = Table.grid(padding=(0, 3, 0, 0))
    for pod in look.pods[:4]:
        current = pod.version == look.current
        mark = Text(f"version {pod.version}", style="bold green" if current else "bold yellow")
        table.add_row(mark, Text(pod.state, style=_PODS[pod.state]), Text(pod.name, style="dim"))
    for _ in range(4 - len(look.pods)):
        table.add_row("")
    return table


def _keys(look: Look) -> RenderableType:
    words = [Text(key, style="yellow" if key.startswith("previous.") else "green") for key in look.keys]
    return Text("   ").join(words) if words else Text("not there yet", style="dim")


def _overlap(look: Look) -> RenderableType:
    left = story.seconds_left(look)
    old = next((version for version in look.versions if version.overlap_start and version.state == "Retiring"), None)
    if left is None or look.overlap_end is None or old is None or old.overlap_start is None:
        return Text("none is open", style="dim")
    whole = (look.overlap_end - old.overlap_start).total_seconds()
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_row(ProgressBar(total=whole, completed=left, width=40), f"version {old.number}: {left:.0f} s more")
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
