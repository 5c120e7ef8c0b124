"""What the dashboards and the rules cost Prometheus with many queues."""
