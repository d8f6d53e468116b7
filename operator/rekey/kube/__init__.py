"""The cluster side of the ports: the API server, and nothing else, is reached from here."""
