"""What a look means: how many rotations are complete, what is going on, and what is news since the last one."""

from collections.abc import Iterator

from tests.demo.looking import Look

ROTATIONS = 2
_DOING = {
    None: "waiting",
    "Issuing": "making the next version",
    "RollingOut": "moving the pods to version {current}",
    "Overlap": "both versions are accepted",
    "Revoking": "taking the old version away",
    "RollingBack": "going back",
    "RolledBack": "went back",
}
_OVER = {"Revoked", "Discarded"}
_TICK = 5.0


def is_settled(look: Look) -> bool:
    """Tell whether nothing is under way: one version is left, every pod runs with it, the bundle shows it alone."""
    left = [version.number for version in look.versions if version.state not in _OVER]
    moved = bool(look.pods) and all((pod.version, pod.state) == (look.current, "ready") for pod in look.pods)
    alone = "token" in look.keys and not any(key.startswith("previous.") for key in look.keys)
    return left == [look.current] and look.step is None and moved and alone


def completed(look: Look) -> int:
    """Return how many rotations have ended: the version before is revoked, and no pod is of its time."""
    revoked = [version.number for version in look.versions if version.state == "Revoked"]
    oldest = min((pod.version for pod in look.pods), default=0)
    return len([number for number in revoked if number < oldest])


def is_over(look: Look) -> bool:
    """Tell whether all rotations of the demo are complete; where pods start slowly the next one follows at once."""
    another = (look.current or 0) > ROTATIONS + 1
    return completed(look) >= ROTATIONS and (another or is_settled(look))


def doing(look: Look) -> str:
    """Return what is going on, in a few words."""
    if look.current is None:
        return "waiting for the first version"
    if look.step is None and look.next_time:
        seconds = max(0.0, (look.next_time - look.at).total_seconds())
        return f"version {look.current} is current; the next rotation begins in {seconds:.0f} s"
    return _DOING.get(look.step, str(look.step)).format(current=look.current)


def seconds_left(look: Look) -> float | None:
    """Return how long both versions are still accepted at least; None while no overlap runs."""
    if look.overlap_end is None or look.step not in {"Overlap", "Revoking"}:
        return None
    return max(0.0, (look.overlap_end - look.at).total_seconds())


def news(before: Look, now: Look) -> Iterator[str]:
    """Yield a line for everything that has changed, in the order in which it happens."""
    seen = set(before.events)
    for event in now.events:
        if event not in seen:
            yield f"{'! ' if event.warning else ''}{event.reason}: {event.note}"
    if now.keys != before.keys:
        yield f"the bundle has the keys {', '.join(now.keys) or 'none'}"
    yield from _moved(before, now)
    yield from _closing(before, now)
    for number in range(completed(before) + 1, completed(now) + 1):
        yield f"rotation {number} of {ROTATIONS} is complete: version {number} is gone, version {number + 1} is used"


def _moved(before: Look, now: Look) -> Iterator[str]:
    ready = {pod.name for pod in before.pods if pod.state == "ready"}
    fresh = [pod for pod in now.pods if pod.state == "ready" and pod.name not in ready]
    for pod in fresh:
        yield f"pod {pod.name} started with version {pod.version}"
    gone = {pod.name: pod.version for pod in before.pods} | {}
    for pod in now.pods:
        gone.pop(pod.name, None)
    for name, version in gone.items():
        yield f"pod {name} of version {version} has ended"


def _closing(before: Look, now: Look) -> Iterator[str]:
    was, left = seconds_left(before), seconds_left(now)
    if left is None:
        return
    if was is None or was // _TICK > left // _TICK:
        yield f"the old version is accepted for {left:.0f} s more" if left else "the overlap is over"
