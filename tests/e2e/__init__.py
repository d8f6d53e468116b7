"""Whole rotations on real clusters."""
