"""The web configuration in force, followed as its files change."""

from __future__ import annotations

import ssl
import threading
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import structlog

from exporter.errors import ConfigurationError
from exporter.files import Watched
from exporter.web.config import WebConfig, load_web_config

__all__ = ["FollowedWebFile"]

log = structlog.get_logger(__name__)


class FollowedWebFile:
    """The web file: read again, whole, when it or a file that it names has changed.

    A file that has become wrong is logged once, and what was in force before stays so. A thread
    looks, every so many seconds: storage that hangs must stop no request.

    Raises:
        ConfigurationError: the file is wrong at the start.
    """

    def __init__(self, path: Path, *, seconds: float = 1.0) -> None:
        self._path = path
        self._watched = Watched(partial(load_web_config, path), lambda config: config.files)
        self._current = self._watched.value
        self.looks = 0
        for words in self._current.without_effect:
            log.warning(words)
        threading.Thread(
            target=_follow, args=(weakref.ref(self), seconds), name="web file", daemon=True
        ).start()

    def current(self) -> WebConfig:
        """Return what is in force now."""
        return self._current

    @property
    def ssl_context(self) -> Callable[[], ssl.SSLContext] | None:
        """What gives the context in force for each handshake; None for plain HTTP."""
        if self._current.context is None:
            return None
        # Where there is one at the start there is one always: `look` sees to that.
        return lambda: cast("ssl.SSLContext", self.current().context)

    def look(self) -> None:
        """Read the files again if one of them has changed."""
        if self._watched.has_changed():
            self._reload()
        self.looks += 1

    def _reload(self) -> None:
        try:
            loaded = self._watched.reload()
        except ConfigurationError as error:
            words = "web file is wrong; the one before stays in force"
            log.error(words, mistakes=str(error))  # noqa: TRY400
            return
        if (loaded.context is None) is not (self._current.context is None):
            words = "TLS cannot come or go while the server runs; restart it"
            log.error("web file cannot be used yet", file=str(self._path), reason=words)
            return
        self._current = loaded
        log.info("web file read again", file=str(self._path))


def _follow(reference: weakref.ref[FollowedWebFile], seconds: float) -> None:
    """Look as long as anybody uses the web file."""
    never = threading.Event()
    while not never.wait(seconds):
        followed = reference()
        if followed is None:
            return
        try:
            followed.look()
        except Exception:
            log.exception("the web file cannot be followed")
        del followed
