"""Faults between operator and API server: every call of a reference run, met by every fault that fits it."""
