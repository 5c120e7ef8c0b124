"""A past of the simulated call centre, written by the exporter's own code."""
