"""A verifier with its mounted folder and its clocks, for tests to change."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rekey_client import Anomaly, Directories, Outcome, Reason, Verifier
from tests.kit.mount import Mount
from tests.kit.values import Time


@dataclass
class World:
    """One verifier Secret, mounted, and who reads it."""

    mount: Mount
    time: Time
    verifier: Verifier
    anomalies: list[Anomaly]

    @classmethod
    def of(cls, folder: Path, files: Mapping[str, bytes], audience: str | None = "api", **options: Any) -> "World":
        """Return a verifier for these files."""
        mount, time, heard = Mount(folder / "verifier", files), Time(), list[Anomaly]()
        source = Directories([mount.path], clock=time.clock)
        verifier = Verifier(source, audience=audience, on_anomaly=heard.append, clock=time.clock, **options)
        return cls(mount, time, verifier, heard)

    def ask(self, authorization: str, *scopes: str) -> Outcome:
        """Return the outcome for one header."""
        return self.verifier.check([authorization], scopes)

    def reason(self, authorization: str, *scopes: str) -> Reason:
        """Return only the reason."""
        return self.ask(authorization, *scopes).reason

    def deliver(self, files: Mapping[str, bytes]) -> None:
        """Write new content and let the time of a look pass."""
        self.mount.write(files)
        self.time.pass_(1)
