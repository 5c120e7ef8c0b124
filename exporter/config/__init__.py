"""Read the configuration: valid values, or all of its mistakes at once."""

from exporter.config.environment import VARIABLES
from exporter.config.load import DEFAULT_FILE, Loaded, find_file, load, unreadable_files
from exporter.config.schema import json_schema

__all__ = [
    "DEFAULT_FILE",
    "VARIABLES",
    "Loaded",
    "find_file",
    "json_schema",
    "load",
    "unreadable_files",
]
