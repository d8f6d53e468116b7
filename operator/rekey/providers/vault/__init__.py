"""Vault and OpenBao: versions of KV secrets, secret ids of AppRoles, and certificates of PKI engines."""
