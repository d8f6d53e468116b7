"""A real Kubernetes API for tests, demo and benchmarks: `python -m tests.cluster up`.

1. `choose.start()` gives a running `Cluster`; where its servers come from is nobody else's business.
2. Nothing here imports the operator: the demo and the benchmarks stand on this package too.
3. Every process that is started here is stopped here, also when its starter was killed.
"""
