"""containerd of our own: its socket, root and pods are seen by no other containerd of the machine."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.cluster import images, network, processes
from tests.cluster.errors import ClusterError
from tests.cluster.processes import Server
from tests.cluster.waiting import until

_CONFIG = """\
version = 2
root = "{home}/root"
state = "{home}/state"
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{home}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  # Under our state, so that they can be told from other people's.
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{home}/cni"
"""
PLUGINS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))


def start(home: Path, archives: Iterable[Path]) -> Server:
    """Start containerd with its state in `home` and give it the images."""
    (home / "cni").mkdir(parents=True, exist_ok=True)
    (home / "cni" / "10-rekey.conflist").write_text(json.dumps(_pod_network(home)))
    plugins = next(folder for folder in PLUGINS if (folder / "bridge").exists())
    (home / "containerd.toml").write_text(_CONFIG.format(home=home, pause=images.PAUSE, plugins=plugins))
    server = processes.start("containerd", ["containerd", "-c", home / "containerd.toml"], home)

    def answers() -> bool:
        server.demand()
        return _ctr(home, "version", check=False) != ""

    until(answers, f"containerd (see {server.log})", seconds=30)
    for archive in archives:
        load(home, archive)
    _ctr(home, "images", "label", images.PAUSE, "io.cri-containerd.pinned=pinned")
    return server


def load(home: Path, archive: Path) -> None:
    """Give containerd an image."""
    _ctr(home, "images", "import", str(archive))


def stop(home: Path) -> None:
    """Kill all pods, end containerd, and unmount what they left: a test ends here, nothing is drained."""
    server = processes.find("containerd", home)
    if server and server.alive():
        for task in _ctr(home, "tasks", "ls", "-q", check=False).split():
            _ctr(home, "tasks", "rm", "-f", task, check=False)
        for container in _ctr(home, "containers", "ls", "-q", check=False).split():
            _ctr(home, "containers", "rm", container, check=False)
    for pid in _shims(home):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if server:
        server.stop()


def _shims(home: Path) -> list[int]:
    """Return the shims that belong to this socket and to no other containerd."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            argv = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if argv[0].endswith(b"containerd-shim-runc-v2") and f"{home}/containerd.sock".encode() in argv:
            found.append(int(process.name))
    return found


def _ctr(home: Path, *args: str, check: bool = True) -> str:
    argv = ["ctr", "-a", f"{home}/containerd.sock", "-n", "k8s.io", *args]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode and check:
        raise ClusterError(f"`{' '.join(argv)}` failed: {done.stderr.strip()}")
    return done.stdout


def _pod_network(home: Path) -> dict[str, object]:
    ipam = {
        "type": "host-local",
        "dataDir": str(home / "ipam"),
        "ranges": [[{"subnet": network.SUBNET, "gateway": network.GATEWAY}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    # No masquerading: nothing that a test needs is outside of the bridge.
    bridge = {
        "type": "bridge",
        "bridge": network.BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": ipam,
    }
    return {"cniVersion": "0.4.0", "name": "rekey", "plugins": [bridge]}
