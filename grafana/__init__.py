"""Dashboards for Grafana, made from one source, and a made-up past to look at with them."""
