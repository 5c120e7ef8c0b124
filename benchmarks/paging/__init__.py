"""How well the rules page: simulated weeks, evaluated by Prometheus' own engine."""
