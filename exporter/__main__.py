"""Run the command line."""

from __future__ import annotations

import sys

from exporter.signals import expect_signals

# Before the imports, which take most of the start-up time.
expect_signals()

from exporter.cli.run import main as run  # noqa: E402


def main() -> None:
    """Run one command and end the process with its exit code."""
    sys.exit(run())


if __name__ == "__main__":
    main()
