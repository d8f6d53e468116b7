"""The pure part: tables of sentences, and properties."""
