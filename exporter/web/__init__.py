"""The HTTP side: routes, limits of the protocol, the server."""
