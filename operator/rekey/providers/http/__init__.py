"""Services over HTTP, asked once whether they accept a value."""
