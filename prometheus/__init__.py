"""Alert and recording rules for Prometheus, made from one source."""
