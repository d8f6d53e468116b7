"""OAuth2 authorization servers, and us as one of their clients."""
