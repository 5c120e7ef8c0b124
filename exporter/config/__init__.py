"""Read the configuration: valid values, or all of its mistakes at once."""

from exporter.config.cross_checks import token_variable
from exporter.config.environment import VARIABLES
from exporter.config.load import DEFAULT_FILE, Loaded, find_file, load, unreadable_files
from exporter.config.redacted import redacted_yaml
from exporter.config.schema import json_schema

__all__ = [
    "DEFAULT_FILE",
    "VARIABLES",
    "Loaded",
    "find_file",
    "json_schema",
    "load",
    "redacted_yaml",
    "token_variable",
    "unreadable_files",
]
