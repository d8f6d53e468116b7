"""The backends that make, prove and revoke values; they do not know each other."""
