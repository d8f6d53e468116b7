"""The loop, in the simulated world."""
