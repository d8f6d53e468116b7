"""Run the program: `python -m rekey` is the same as `rekey`."""

from rekey.app.cli import main

main()
