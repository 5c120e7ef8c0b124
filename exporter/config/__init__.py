"""Read the configuration: all of its mistakes at once, or values that are right."""

from exporter.config.check_files import unreadable_files
from exporter.config.load import DEFAULT_FILE, Loaded, find_file, load
from exporter.config.schema import json_schema

__all__ = ["DEFAULT_FILE", "Loaded", "find_file", "json_schema", "load", "unreadable_files"]
