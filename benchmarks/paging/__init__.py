"""How well the rules alert: simulated weeks, evaluated by Prometheus' own engine."""
