"""Services that have API keys made over HTTP, asked as an administrator declared."""
