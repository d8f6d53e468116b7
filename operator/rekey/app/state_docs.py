"""The pages on states, Events and settings, written from the tables that the program itself goes by."""

from __future__ import annotations

from rekey.app.publish.settings import PublishSettings
from rekey.app.settings import PREFIX, PUBLISH_PREFIX, Settings
from rekey.app.variables import table
from rekey.core.edges import drawing
from rekey.core.reasons import NOTICES, ProviderWhy, Reason, RequestWhy

_STATES = """# The life of a version

Drawn from the table in `core/edges.py`; nothing else changes a version's state.

```mermaid
{picture}```

| state | what it means |
| --- | --- |
| Reserved | the number is taken, nothing exists yet (not used by generated credentials) |
| Issued | the value exists in its own immutable Secret `<target>-v<N>`; nobody has it yet, but a service may know it |
| Published | the verifier's Secret has it; nobody uses it before they know it (only with `spec.verifier`) |
| Active | the bundle shows it under its plain keys |
| Retiring | no longer current, still accepted: consumers are moving, or the overlap runs |
| Revoking | committed to revocation: there is no way back |
| Revoked | gone |
| Discarded | gone without having served: its rollout failed, it was refused, or its spec was outdated |
"""

_EVENTS = """# Events and reasons

Every Event is of `events.k8s.io/v1`, by `rekey.dev/operator`, and has a name that a repeated step would use again, so
none is said twice. Events are for people and end after an hour; what must be acted on stands in a condition too.

| reason | type | action | meaning |
| --- | --- | --- | --- |
{events}

The usual sequences:

- first version: `Issued`
- rotation with consumers: `Activated`, `ConsumerRestarted` (one each), `OverlapStarted`, `OverlapExpired`, `Revoked`
- rotation without consumers: `OverlapStarted`, `OverlapExpired`, `Revoked`
- failed rollout with `onFailure: Rollback`: `Activated`, `ConsumerRestarted`, `RolloutFailed`, `RolledBack`,
  `ConsumerRestarted` (back), `Discarded`
- with `spec.verifier`: `Published` first, and `ConsumerRestarted` for each verifier before `Activated`
- with `spec.validation.http`: a version that is refused ends with `ValidationRefused`, `Discarded`; a service that is
  away is said by `Stalled`, once for each reason
- a request: `RequestAccepted` before these, or `RequestRefused` alone; a compromise with `revoke: Immediately`:
  `RequestAccepted`, `RevocationForced`, `Activated`, `Revoked`, `ConsumerRestarted`
- failed rollout with `onFailure: Hold`: `Activated`, `ConsumerRestarted`, `RolloutFailed`

## Reasons of conditions

The closed list: {reasons}.

Those of a RotationRequest's conditions: {whys}.

Those of a provider's condition `Ready`: {providers}.
"""

_SETTINGS = """# Settings of `rekey run`

Each is a variable; one that is none of these is refused. `rekey run` has flags too, and a flag wins over its variable:
`--namespace`, `--workers`, `--http-port`, `--leader-election`, `--lease-namespace`, `--shards`, `--log-level`,
`--log-format`, `--kubeconfig`, `--context`.

| variable | default | meaning |
| --- | --- | --- |
{rows}

# Settings of `rekey publish`

Likewise ([publishing.md](publishing.md)); its flags: `--namespace`, `--host`, `--port`, `--http-port`,
`--tls-directory`, `--insecure-http`, `--log-level`, `--log-format`, `--kubeconfig`, `--context`.

| variable | default | meaning |
| --- | --- | --- |
{published}
"""


def states() -> str:
    """Return docs/states.md."""
    return _STATES.format(picture=drawing())


def events() -> str:
    """Return docs/events.md."""
    rows = "\n".join(
        f"| `{notice}` | {'Warning' if kind.warning else 'Normal'} | {kind.action} | {kind.meaning} |"
        for notice, kind in NOTICES.items()
    )
    lists = {"reasons": Reason, "whys": RequestWhy, "providers": ProviderWhy}
    said = {name: ", ".join(f"`{word}`" for word in words) for name, words in lists.items()}
    return _EVENTS.format(events=rows, **said)


def settings() -> str:
    """Return docs/settings.md."""
    tables = (table(Settings(), PREFIX), table(PublishSettings(), PUBLISH_PREFIX))
    run, publish = (
        "\n".join(f"| `{name}` | {default or '–'} | {said} |" for name, default, said in rows) for rows in tables
    )
    return _SETTINGS.format(rows=run, published=publish)
