"""From a file, or the environment, to a configuration that is right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exporter.config.environment import read_environment
from exporter.config.layers import ConfigFile, Locations
from exporter.config.resolve import Resolver
from exporter.config.validate import validated
from exporter.config.yaml_reader import read
from exporter.config.yaml_tree import Document, Location
from exporter.errors import ConfigurationError, Mistake
from exporter.schedule import Schedule
from exporter.settings import Configuration

__all__ = ["DEFAULT_FILE", "Loaded", "find_file", "load"]

DEFAULT_FILE: Final = Path("exporter.yml")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, and what `check` and reloads want to know beside it.

    ``files`` are those that were read. ``locations`` says by account, then by key (``token_file``,
    ``token_env``, ``ca_file``, ...) where files are named. ``schedules`` are by name.
    """

    configuration: Configuration
    files: tuple[Path, ...]
    locations: Mapping[str, Locations]
    schedules: Mapping[str, Schedule]


def find_file(given: Path | None) -> Path | None:
    """Return the file to load: the given one; else the default one if there is one; else none."""
    return given or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)


def load(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Load a configuration file or folder, or without one the account of the environment.

    A given file is the only source of accounts and must exist. Of a folder all ``*.yml`` are read,
    as if they were one; the defaults stand in one of them. No key and no certificate is read: one
    that is missing fails only its own account, later; `unreadable_files` finds it now. ``environ``
    also names the proxies of accounts that name none.

    Raises:
        ConfigurationError: with all mistakes at once.
    """
    folder = Path()
    files: tuple[Path, ...] = ()
    mistakes: list[Mistake] = []
    if path is None:
        documents = [read_environment(environ, str(DEFAULT_FILE))]
    else:
        folder, files = _files_of(path)
        documents, mistakes = _read(files)
    parts = [ConfigFile(document, validated(document)) for document in documents]
    resolver = Resolver(folder, environ)
    if parts and not mistakes:  # a file that cannot be read may hold what the others rest on
        resolver.resolve(parts)
    mistakes += [mistake for document in documents for mistake in document.mistakes]
    if not resolver.accounts and not mistakes:
        location = documents[0].root.location if len(documents) == 1 else Location(str(path))
        mistakes.append(location.mistake("has no key 'accounts', which is needed"))
    if mistakes:
        raise ConfigurationError(list(dict.fromkeys(mistakes)))
    configuration = Configuration(tuple(resolver.accounts))
    return Loaded(configuration, files, resolver.locations, resolver.schedules)


def _files_of(path: Path) -> tuple[Path, tuple[Path, ...]]:
    """Return the folder that is meant, and its files in the order of their names; or the one file.

    Raises:
        ConfigurationError: there is none, or one whose ending would let it be passed over.
    """
    try:
        if not path.is_dir():
            return path.parent, (path,)
        seen = sorted(file for file in path.iterdir() if not file.name.startswith("."))
    except OSError as error:
        mistake = Location(str(path)).mistake(f"cannot be read: {error.strerror}")
        raise ConfigurationError([mistake]) from None
    files = tuple(file for file in seen if file.suffix == ".yml")
    mistakes = [
        Location(str(file)).mistake("would not be read in a folder, expected the ending .yml")
        for file in seen
        if file.suffix == ".yaml"
    ]
    if not files and not mistakes:
        mistakes = [Location(str(path)).mistake("is a folder without *.yml, expected at least one")]
    if mistakes:
        raise ConfigurationError(mistakes)
    return path, files


def _read(files: Iterable[Path]) -> tuple[list[Document], list[Mistake]]:
    """Return what can be read, and the mistakes of the rest."""
    documents: list[Document] = []
    mistakes: list[Mistake] = []
    for file in files:
        try:
            documents.append(read(file))
        except ConfigurationError as error:
            mistakes += error.mistakes
    return documents, mistakes
