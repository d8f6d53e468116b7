"""What the engine needs from the world: small async protocols whose docstrings are the contract.

Every implementation, the simulated one too, passes the conformance suites in `tests/sim/conformance.py`.
Errors are those of `rekey.errors`, sorted by what the caller does next.
"""
