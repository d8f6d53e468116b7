"""The backends, each against its contract."""
