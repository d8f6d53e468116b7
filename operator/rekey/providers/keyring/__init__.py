"""The key ring that Rekey keeps itself, in a Secret of its own namespace."""
