"""What the machine's kernel must do for real pods, and how it is put back.

Everything stays on one bridge of our own: the node's address, the API server's and the pods'. Packets from
elsewhere to these addresses are dropped. The settings that the kubelet and the bridge plugin change (a panic
on an oops, to name one) are noted before and restored after.
"""

import contextlib
import json
import subprocess
from pathlib import Path

from tests.cluster.errors import NodeRefused

BRIDGE = "rekey0"
GATEWAY = "10.213.77.1"
SUBNET = "10.213.77.0/24"
_CHAIN = "REKEY-NODE"
_SERVICE_IP = "10.0.0.1"
_CHANGED = (
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


def up(directory: Path, api_port: int) -> None:
    """Note the settings, make the bridge, close it to the outside, lead 10.0.0.1 to the API server."""
    if Path("/sys/class/net", BRIDGE).exists():
        raise NodeRefused(f"there is a network device {BRIDGE} already (if nobody uses it: ip link del {BRIDGE})")
    before = {name: Path("/proc/sys", name).read_text().strip() for name in _CHANGED}
    (directory / "sysctl.json").write_text(json.dumps(before))
    _run("ip", "link", "add", BRIDGE, "type", "bridge")
    _run("ip", "addr", "add", f"{GATEWAY}/{SUBNET.partition('/')[2]}", "dev", BRIDGE)
    _run("ip", "link", "set", BRIDGE, "up")
    _filter()
    _lead(api_port)


def down(directory: Path) -> None:
    """Undo `up`, however much of it was done; without its note nothing was."""
    note = directory / "sysctl.json"
    if not note.exists():
        return
    for table, hooks in (("filter", ("INPUT", "FORWARD")), ("nat", ("PREROUTING",))):
        for hook in hooks:
            _try("iptables", "-w", "-t", table, "-D", hook, "-j", _CHAIN)
        _try("iptables", "-w", "-t", table, "-F", _CHAIN)
        _try("iptables", "-w", "-t", table, "-X", _CHAIN)
    _try("ip", "link", "del", BRIDGE)
    for name, value in json.loads(note.read_text()).items():
        with contextlib.suppress(OSError):
            Path("/proc/sys", name).write_text(value)
    note.unlink()


def _filter() -> None:
    rules = (
        ("-i", "lo", "-j", "RETURN"),
        # From pod to pod, where bridged packets come by here too; somebody else's policy may be to drop them.
        ("-i", BRIDGE, "-o", BRIDGE, "-j", "ACCEPT"),
        ("-i", BRIDGE, "-j", "RETURN"),
        ("-d", SUBNET, "-m", "conntrack", "--ctstate", "NEW", "-j", "DROP"),
    )
    _chain("filter", rules, ("INPUT", "FORWARD"))


def _lead(api_port: int) -> None:
    to = ("-j", "DNAT", "--to-destination", f"{GATEWAY}:{api_port}")
    rule = ("-i", BRIDGE, "-d", _SERVICE_IP, "-p", "tcp", "--dport", "443", *to)
    _chain("nat", (rule,), ("PREROUTING",))


def _chain(table: str, rules: tuple[tuple[str, ...], ...], hooks: tuple[str, ...]) -> None:
    _run("iptables", "-w", "-t", table, "-N", _CHAIN)
    for rule in rules:
        _run("iptables", "-w", "-t", table, "-A", _CHAIN, *rule)
    for hook in hooks:
        _run("iptables", "-w", "-t", table, "-I", hook, "-j", _CHAIN)


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NodeRefused(f"`{' '.join(argv)}` failed: {done.stderr.strip()}")


def _try(*argv: str) -> None:
    subprocess.run(argv, capture_output=True, check=False)
