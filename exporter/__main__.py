"""Run the command line."""

from __future__ import annotations

import sys

from exporter.cli.cli import main as run

__all__ = ["main"]


def main() -> None:
    """Run one command and end the process with its exit code."""
    sys.exit(run())


if __name__ == "__main__":
    main()
