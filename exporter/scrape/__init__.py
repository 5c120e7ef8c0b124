"""The fan-out: asking for queues in parallel, within a budget, shared by scrapes."""
