"""HTTPS to the API: `requests` with little overhead, within a strict deadline."""
