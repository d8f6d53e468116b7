"""The loop: observe, decide, do one thing, save, look again."""
