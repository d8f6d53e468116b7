"""The cluster side, against a real API server."""
