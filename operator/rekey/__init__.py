"""Rekey rotates credentials in Kubernetes without locking anyone out."""

__version__ = "0.1.0"
