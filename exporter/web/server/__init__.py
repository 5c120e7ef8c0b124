"""The server: uvicorn with a limit on everything that a client may use."""
