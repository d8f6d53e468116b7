"""A world in memory that keeps its promises and can be unplugged at any call."""
