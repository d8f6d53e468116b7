"""The whole operator as a process of its own, against a real API server with played pods."""
