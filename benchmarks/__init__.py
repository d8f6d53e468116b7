"""How fast Rekey is, and at what cost, on a real API server."""
