"""Dashboards for Grafana, generated from one source."""
