"""A real node: containerd and kubelet on this machine, under a control plane of its own.

1. One a machine, guarded by a lock: there is one bridge and one tree of cgroups.
2. What is changed on the machine is noted first and put back in the end, also after a run that was killed.
3. A machine that cannot do it raises `NodeRefused` with the reason, before anything is changed.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import yaml

from tests.cluster import build, containerd, controlplane, debian, images, network, pki, ports, processes
from tests.cluster.errors import NodeRefused
from tests.cluster.handle import NOTE, Cluster, note
from tests.cluster.options import Options, Ports
from tests.cluster.progress import Progress
from tests.cluster.versions import CONTROL_PLANE

NAME = "node-1"
BACKEND = "node"
# A fixed place, so that the next run finds what a killed one left.
STATE = Path("/var/tmp/rekey-node")
_PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
}
_locks: dict[Path, TextIO] = {}


def start(directory: Path, sync: str = "10s") -> Cluster:
    """Start the node, with a note of it in `directory`; `sync` is how often Secret volumes are renewed."""
    _demand()
    programs = build.ensure([*(name for name in CONTROL_PLANE if name != "kwok"), "kubelet"])
    archives = images.ensure()
    _take_lock()
    try:
        stop_leftovers()
        started = _start(programs, archives, sync)
    except BaseException:
        stop()
        raise
    note(started, directory)

    def stopping() -> None:
        (directory / NOTE).unlink(missing_ok=True)
        stop()

    return replace(started, stopping=stopping)


def load(archive: Path) -> None:
    """Give the running node an image that `images.build` wrote."""
    containerd.load(STATE / "node", archive)


def stop() -> None:
    """Stop the node and put everything back."""
    stop_leftovers()
    lock = _locks.pop(STATE, None)
    if lock:
        lock.close()


def stop_leftovers() -> None:
    """End what runs in the state folder, and put the machine back, in whatever process it was started."""
    home = STATE / "node"
    if not STATE.exists():
        return
    kubelet = processes.find("kubelet", home)
    if kubelet:
        kubelet.stop()
    containerd.stop(home)
    _empty_cgroups(home)
    controlplane.stop(STATE / "plane")
    _unmount(home)
    network.down(home)
    for link in Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{home}/"):
            link.unlink()
    for folder in (home, STATE / "plane"):
        for log in folder.glob("*.log"):
            log.replace(STATE / log.name)
        shutil.rmtree(folder, ignore_errors=True)


def _demand() -> None:
    if os.geteuid() != 0:
        raise NodeRefused("a kubelet needs root, and this is not root")
    for program, package in _PACKAGES.items():
        debian.demand(program, [package])
    if not any((folder / "bridge").exists() for folder in containerd.PLUGINS):
        debian.demand("/usr/lib/cni/bridge", ["containernetworking-plugins"])
    if not os.access("/sys/fs/cgroup", os.W_OK):
        raise NodeRefused("/sys/fs/cgroup cannot be written, so no container can be made")


def _take_lock() -> None:
    STATE.mkdir(mode=0o700, exist_ok=True)
    lock = (STATE / "lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waiting = Progress("another run has this machine's node, waiting for its end")
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting.done("over")
    _locks[STATE] = lock


def _start(programs: dict[str, Path], archives: list[Path], sync: str) -> Cluster:
    home = STATE / "node"
    home.mkdir(mode=0o700)
    if list(_cgroups()):
        raise NodeRefused("there are cgroups of a kubelet already: this machine is a node of somebody else's")
    numbers = ports.free(len(Ports._fields) + 2)
    at = Ports(*numbers[2:])
    network.up(home, at.apiserver)
    pki.write_client(home, "apiserver", "apiserver-kubelet", "system:masters")
    plane = controlplane.start(STATE / "plane", programs, _options(home, at), BACKEND)
    containerd.start(home, archives)
    (home / "kubelet.yaml").write_text(yaml.safe_dump(_kubelet(home, numbers[:2], sync)))
    argv = [
        f"{plane.bin_dir}/kubelet",
        f"--kubeconfig={plane.kubeconfig}",
        f"--config={home}/kubelet.yaml",
        f"--root-dir={home}/kubelet",
        f"--cert-dir={home}/kubelet-pki",
        f"--hostname-override={NAME}",
        f"--node-ip={network.GATEWAY}",
    ]
    kubelet = processes.start("kubelet", argv, home)
    try:
        plane.kubectl("wait", "--for=create", f"node/{NAME}", "--timeout=60s")
        plane.kubectl("wait", "--for=condition=Ready", f"node/{NAME}", "--timeout=60s")
    finally:
        kubelet.demand()
    return plane


def _options(home: Path, at: Ports) -> Options:
    return Options(
        ports=at,
        listen=network.GATEWAY,
        with_kwok=False,
        apiserver_args=(
            f"--kubelet-client-certificate={home}/apiserver.crt",
            f"--kubelet-client-key={home}/apiserver.key",
            "--kubelet-preferred-address-types=InternalIP",
        ),
    )


def _kubelet(home: Path, numbers: list[int], sync: str) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.GATEWAY,
        "port": numbers[0],
        "healthzPort": numbers[1],
        "containerRuntimeEndpoint": f"unix://{home}/containerd.sock",
        "cgroupDriver": "cgroupfs",
        # Old machines have the first version of cgroups, which the kubelet would refuse.
        "failCgroupV1": False,
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "syncFrequency": sync,
        "podLogsDir": str(home / "podlogs"),
        "resolvConf": "",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(home / "apiserver.crt")},
        },
        "authorization": {"mode": "AlwaysAllow"},
        # The images are ours, and not to be had again.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
            "nodefs.inodesFree": "1%",
        },
    }


def _cgroups() -> Iterator[Path]:
    root = Path("/sys/fs/cgroup")
    yield from (folder for folder in (root / "kubepods", *root.glob("*/kubepods")) if folder.is_dir())


def _empty_cgroups(home: Path) -> None:
    """Kill what is left in the pods' cgroups, and remove them; only after a start that found none there."""
    if not (home / "kubelet.yaml").exists():
        return
    for top in _cgroups():
        for tasks in top.rglob("cgroup.procs"):
            for pid in tasks.read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
    for top in _cgroups():
        for folder in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        with contextlib.suppress(OSError):
            top.rmdir()


def _unmount(home: Path) -> None:
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((path for path in mounts if path.startswith(f"{home}/")), reverse=True):
        if subprocess.run(["umount", mount], capture_output=True, check=False).returncode:
            subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
