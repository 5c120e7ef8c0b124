"""From a file, or the environment, to a configuration that is right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporter.config.document import read
from exporter.config.environment import read_environment
from exporter.config.resolve import Resolver
from exporter.config.validate import validated
from exporter.settings import Configuration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.config.resolve import Places

__all__ = ["DEFAULT_FILE", "Loaded", "find_file", "load"]

DEFAULT_FILE: Final = Path("exporter.yml")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, and for `check` where each account names its files.

    ``places`` is by account, then by key: ``token_file``, ``token_env``, ``ca_file``, ...
    """

    configuration: Configuration
    places: Mapping[str, Places]


def find_file(given: Path | None) -> Path | None:
    """Return the file to load: the given one; else the default one if there is one; else none."""
    return given or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)


def load(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Load a configuration file, or without one the account that the environment describes.

    A given file is the only source of accounts and must exist. No key and no certificate is read:
    one that is missing fails only its own account, later; `unreadable_files` finds it now.
    ``environ`` also names the proxies of accounts that name none.

    Raises:
        ConfigurationError: with all mistakes at once.
    """
    document = read(path) if path else read_environment(environ, str(DEFAULT_FILE))
    model = validated(document)
    resolver = Resolver(document, path.parent if path else Path(), environ)
    if model:
        resolver.resolve(model)
    document.stop_on_mistakes()
    return Loaded(Configuration(tuple(resolver.accounts)), resolver.places)
