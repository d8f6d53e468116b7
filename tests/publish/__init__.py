"""What `rekey publish` serves, and how."""
