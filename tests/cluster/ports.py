"""Ports for servers: free ones by chance, fixed ones checked.

Only ports below 32768: from there on the kernel hands them to outgoing connections, and a server that starts
a moment later finds its port taken. A check comes before every start: an API server whose etcd port is a
stranger's serves the stranger's data.
"""

import random
import socket

from tests.cluster.errors import PortTaken

_FIRST, _LAST = 20_000, 32_767
_TRIES = 200


def free(count: int) -> list[int]:
    """Return `count` different ports that nobody listens on."""
    dice = random.SystemRandom()
    found: list[int] = []
    for port in dice.sample(range(_FIRST, _LAST + 1), _TRIES):
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise PortTaken(f"no {count} free ports between {_FIRST} and {_LAST}: what listens there? (ss -ltn)")


def is_free(port: int) -> bool:
    """Tell whether a server could listen on `port` of every address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True


def demand(port: int, who: str) -> None:
    """Raise `PortTaken`, naming the port, if `who` could not listen on it."""
    if not is_free(port):
        raise PortTaken(f"port {port}, wanted for {who}, is taken: stop what listens there (ss -ltnp)")
