"""The server: uvicorn with a bound on everything that a client may take."""
