"""The HTTP side: routes, limits and the server."""
