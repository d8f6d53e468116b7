"""Every test of Rekey, and the worlds it is tested in."""
