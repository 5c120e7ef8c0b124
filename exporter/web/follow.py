"""The web file in force, followed as it changes."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import cast

import structlog

from exporter.errors import ConfigurationError
from exporter.files import stamps
from exporter.web.config import WebConfig, load_web_config

__all__ = ["FollowedWebFile"]

log = structlog.get_logger(__name__)


class FollowedWebFile:
    """The web file in force: read again, whole, when it or a file that it names has changed.

    A file that has become wrong is logged once, and what was in force before stays so.

    Raises:
        ConfigurationError: the file is wrong at the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._current = load_web_config(path)
        self._stamps = stamps(self._current.files)
        for words in self._current.without_effect:
            log.warning(words)

    def current(self) -> WebConfig:
        """Return what is in force now; called for each handshake and each request."""
        found = stamps(self._current.files)
        if found != self._stamps:
            self._stamps = found
            self._reload()
        return self._current

    def _reload(self) -> None:
        try:
            loaded = load_web_config(self._path)
        except ConfigurationError as error:
            words = "web file is wrong; the one before stays in force"
            log.error(words, mistakes=str(error))  # noqa: TRY400
            return
        if (loaded.context is None) is not (self._current.context is None):
            words = "TLS cannot come or go while the server runs; restart it"
            log.error("web file cannot be used yet", file=str(self._path), reason=words)
            return
        if loaded.files != self._current.files:
            self._stamps = stamps(loaded.files)
        self._current = loaded
        log.info("web file read again", file=str(self._path))

    @property
    def ssl_context(self) -> Callable[[], ssl.SSLContext] | None:
        """What gives the context in force for each handshake; None for plain HTTP."""
        if self._current.context is None:
            return None
        # Where there is one at the start there is one always: `_reload` sees to that.
        return lambda: cast("ssl.SSLContext", self.current().context)
