"""What the API server says it was asked: requests by verb and resource, without those of the benchmark itself."""

import re
from collections import Counter
from collections.abc import Mapping

Count = Counter[tuple[str, str]]
"""Requests by verb and resource, both in the words of the API server."""

OURS = frozenset({"rotatedcredentials", "secrets", "pods", "events", "deployments", "statefulsets", "daemonsets"})
READS = frozenset({"GET", "LIST"})
_LINE = re.compile(r"^apiserver_request_total\{(?P<labels>[^}]*)\} (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_UNCOUNTED = frozenset({"WATCH", "CONNECT"})
_VERBS = {"get": "GET", "list": "LIST", "create": "POST", "patch": "PATCH", "delete": "DELETE"}


def read(metrics: str) -> Count:
    """Return all requests that were ever answered, but for watches and leases."""
    found: Count = Counter()
    for line in _LINE.finditer(metrics):
        labels = dict(_LABEL.findall(line["labels"]))
        if labels["verb"] in _UNCOUNTED or labels["resource"] in ("leases", ""):
            continue
        name = "/".join(filter(None, (labels["resource"], labels.get("subresource"))))
        found[labels["verb"], name] += int(float(line["value"]))
    return found


def between(before: Count, after: Count, own: Mapping[tuple[str, str], int]) -> Count:
    """Return what was asked in between by others than the benchmark, of what Rekey may ask for."""
    mine = Counter({(_VERBS[verb], resource): number for (verb, resource), number in own.items()})
    asked = after - before
    asked.subtract(mine)
    return Counter({key: n for key, n in asked.items() if n and key[1].partition("/")[0] in OURS})


def events(count: Count) -> int:
    """Return how many Events were sent."""
    return sum(number for (_, resource), number in count.items() if resource == "events")


def reads(count: Count) -> int:
    """Return how many requests only looked."""
    return sum(number for (verb, _), number in count.items() if verb in READS)


def writes(count: Count) -> int:
    """Return how many requests changed something, Events among them."""
    return count.total() - reads(count)


def shown(count: Count, each: int) -> dict[str, float]:
    """Return the requests for each of that many, the most frequent first."""
    return {f"{verb} {resource}": round(n / each, 3) for (verb, resource), n in count.most_common()}
