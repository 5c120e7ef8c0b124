"""What all tests share."""

pytest_plugins = ["tests.simulator_fixtures"]
