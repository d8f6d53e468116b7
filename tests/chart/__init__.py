"""The Helm chart: rendered, tried on an API server, and installed with operators that have exactly its rights."""
