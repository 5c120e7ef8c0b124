"""The client of the CallTools API: it asks, reads and checks, and only ever sends GET."""
