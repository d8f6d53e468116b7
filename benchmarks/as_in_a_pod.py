"""The program `rekey` as a pod runs it: the ServiceAccount's files lie in a folder that is given here.

1. A pod never imports the `kubernetes` package, a kubeconfig does: 11 MiB that no installation has.
2. With a second argument, SIGUSR1 starts a profile of the main thread and SIGUSR2 writes it to that file.
"""

import cProfile
import functools
import signal
import sys
from pathlib import Path

from rekey.app import cli
from rekey.kube import config


def main(folder: Path, profile: str) -> None:
    """Run `rekey` with what is left of the command line."""
    config.load = functools.partial(config.load, service_account=folder)
    if profile:
        profiler = cProfile.Profile()

        def write(*_: object) -> None:
            profiler.disable()
            profiler.dump_stats(profile)

        signal.signal(signal.SIGUSR1, lambda *_: profiler.enable())
        signal.signal(signal.SIGUSR2, write)
    cli.main()


if __name__ == "__main__":
    account, target = sys.argv[1:3]
    del sys.argv[1:3]
    main(Path(account), target)
