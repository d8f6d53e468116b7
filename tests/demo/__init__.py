"""`make demo`: a cluster, the operator, examples/quickstart.yaml, and two rotations shown as they happen."""
