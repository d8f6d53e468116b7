"""The pages in a headless Chromium: nothing on the console, nothing blocked, and no fault of accessibility.

Skipped where there is no `chromium`. The checker (axe-core) is fetched by npm at the first run, into the user's cache.
"""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.cluster.waiting import until
from tests.publish.objects import ROTATING, at, credential, published, version
from tests.publish.opened import Open, opened

pytestmark = [pytest.mark.slow]

AXE = "axe-core@4.10.3"
HOME = "/v1/namespaces/shop/orders/"
SHOTS = os.environ.get("REKEY_TEST_SCREENSHOTS", "")
"""A folder in which to leave what was seen."""


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the accessibility checker's source."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rekey-tests" / AXE
    source = cache / "axe.min.js"
    if not source.exists():
        if not shutil.which("npm"):
            pytest.skip("NOT TESTED: accessibility in a browser, there is no npm to fetch axe-core with")
        folder = tmp_path_factory.mktemp("axe")
        packed = subprocess.run(["npm", "pack", AXE], cwd=folder, capture_output=True, text=True, check=False)
        if packed.returncode:
            pytest.skip(f"NOT TESTED: accessibility in a browser, npm cannot fetch {AXE}")
        with tarfile.open(next(folder.glob("*.tgz"))) as archive:
            member = archive.extractfile("package/axe.min.js")
            assert member is not None
            cache.mkdir(parents=True, exist_ok=True)
            source.write_bytes(member.read())
    return source.read_text()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a browser's debugger."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("NOT TESTED: the pages in a browser, there is no chromium (apt-get install chromium)")
    profile = tmp_path_factory.mktemp("chromium")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    argv = [program, *flags, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"]
    note = profile / "DevToolsActivePort"
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        lines = until(lambda: note.exists() and note.read_text().split(), "chromium", seconds=120)
        assert isinstance(lines, list)
        yield f"http://127.0.0.1:{lines[0]}"
    finally:
        process.terminate()
        process.wait(60)


class Tab:
    """One tab, driven by the DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self.told: list[dict[str, Any]] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method and return its result; what is told meanwhile is kept."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        while True:
            said = await self._socket.receive_json(timeout=120)
            if said.get("id") == self._number:
                assert "error" not in said, said
                return dict(said["result"])
            self.told.append(said)

    async def show(self, url: str) -> None:
        """Go there, and return when all of it is loaded."""
        self.told.clear()
        await self.call("Page.navigate", url=url)
        while not any(one.get("method") == "Page.loadEventFired" for one in self.told):
            self.told.append(await self._socket.receive_json(timeout=120))

    async def value(self, expression: str) -> Any:
        """Return what an expression comes to."""
        found = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def complaints(self) -> list[Any]:
        """Return what the console says."""
        methods = {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Audits.issueAdded"}
        return [one["params"] for one in self.told if one.get("method") in methods]


@asynccontextmanager
async def tab(chromium: str, client: aiohttp.ClientSession) -> AsyncIterator[Tab]:
    """Open a tab."""
    async with client.put(f"{chromium}/json/new?about:blank") as answer:
        where = (await answer.json(content_type=None))["webSocketDebuggerUrl"]
    async with client.ws_connect(where, max_msg_size=0) as socket:
        found = Tab(socket)
        for domain in ("Page", "Runtime", "Log", "Audits", "Network"):
            await found.call(f"{domain}.enable")
        yield found


def _fill(here: Open) -> None:
    evil = published(credential(version(1, "Active"), name="<b>orders</b>"))
    here.shelf.put(evil.key, evil)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages(chromium: str, axe: str, scheme: str) -> None:
    """Each page loads without a word on the console, asks for nothing else, and is accessible by light and dark."""

    async def show() -> None:
        async with opened() as here, tab(chromium, here.client) as seen:
            _fill(here)
            await seen.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            for name, path in {"index": "/", "rotation": HOME, "stale": HOME}.items():
                if name == "stale":
                    here.shelf.lost(None)
                    here.clock.on(hours=1)
                await seen.show(f"{here.url}{path}")
                assert seen.complaints() == []
                asked = [
                    one["params"]["request"]["url"] for one in seen.told if one["method"] == "Network.requestWillBeSent"
                ]
                assert asked == [f"{here.url}{path}"]
                assert await seen.value("getComputedStyle(document.body).maxWidth") == "1120px"  # the style is applied
                await seen.value(axe)
                found = json.loads(await seen.value("axe.run(document).then(found => JSON.stringify(found))"))
                assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
                assert [one["id"] for one in found["incomplete"]] == []
                assert len(found["passes"]) > 15
                await _keep(seen, f"{name}-{scheme}")

    asyncio.run(show())


async def _keep(seen: Tab, name: str) -> None:
    if SHOTS:
        await seen.call(
            "Emulation.setDeviceMetricsOverride", width=1200, height=1000, deviceScaleFactor=1, mobile=False
        )
        shot = await seen.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        (Path(SHOTS) / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


def test_the_checker_can_find_a_fault(chromium: str, axe: str) -> None:
    """A page with faults is not clean: the test above can fail."""

    async def show() -> None:
        async with opened() as here, tab(chromium, here.client) as seen:
            await seen.show("data:text/html,<html><body><img src='x'><p style='color:%23ccc'>pale</p></body></html>")
            await seen.value(axe)
            found = json.loads(await seen.value("axe.run(document).then(found => JSON.stringify(found))"))
            assert {"html-has-lang", "image-alt", "color-contrast"} <= {one["id"] for one in found["violations"]}

    asyncio.run(show())


def test_the_page_on_a_small_screen(chromium: str) -> None:
    """A table that is too wide scrolls by itself; the page does not."""

    async def show() -> None:
        async with opened() as here, tab(chromium, here.client) as seen:
            rotating = published(credential(*ROTATING, overlapEndTime=at(52)))
            here.shelf.put(rotating.key, rotating)
            await seen.call(
                "Emulation.setDeviceMetricsOverride", width=360, height=700, deviceScaleFactor=1, mobile=True
            )
            await seen.show(f"{here.url}{HOME}")
            assert await seen.value("document.documentElement.scrollWidth") <= 360
            await _narrow(seen)

    asyncio.run(show())


async def _narrow(seen: Tab) -> None:
    if SHOTS:
        shot = await seen.call("Page.captureScreenshot", format="png")
        (Path(SHOTS) / "narrow.png").write_bytes(base64.b64decode(shot["data"]))
