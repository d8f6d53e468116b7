"""`rekey publish`: what the world may know of credentials, served read-only over HTTPS."""
