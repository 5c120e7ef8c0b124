"""Files of the web configuration, reloaded when they change."""

import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar, cast

import structlog

from exporter.errors import ConfigurationError
from exporter.files import Watched
from exporter.web.available_users import AvailableUser
from exporter.web.config import WebConfig, load_web_config

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Followed(Generic[T]):
    """The content of a file; `look` loads it again when it or a file that it names has changed.

    A file with mistakes is logged once, and the previous content stays in use.

    Raises:
        ConfigurationError: the file has mistakes at the start.
    """

    def __init__(self, what: str, path: Path, load: Callable[[Path], T]) -> None:
        self._what = what
        self._path = path
        self._watched = Watched(partial(load, path))
        self._current = self._watched.value

    def current(self) -> T:
        """Return the current content."""
        return self._current

    def look(self) -> None:
        """Load the files again if one of them has changed."""
        if self._watched.has_changed():
            self._reload()

    def obstacle(self, loaded: T) -> str | None:  # noqa: ARG002 - for subclasses
        """Return why new content cannot be used while the server runs, or None."""
        return None

    def _reload(self) -> None:
        try:
            loaded = self._watched.reload()
        except ConfigurationError as error:
            words = f"Cannot load {self._what}, keeping the previous one"
            log.error(words, mistakes=str(error))  # noqa: TRY400
            return
        if reason := self.obstacle(loaded):
            words = f"Cannot use new {self._what}, keeping the previous one"
            log.error(words, file=str(self._path), reason=reason)
            return
        self._current = loaded
        words = f"{self._what.capitalize()} reloaded"
        log.info(words, file=str(self._path))


class FollowedWebFile(Followed[WebConfig]):
    """The file of ``--web.config.file``."""

    def __init__(self, path: Path) -> None:
        super().__init__("web file", path, load_web_config)
        for words in self._current.without_effect:
            log.warning(words)

    @property
    def ssl_context(self) -> Callable[[], ssl.SSLContext] | None:
        """Returns the current context for each handshake; None for plain HTTP."""
        if self._current.context is None:
            return None
        # If there is one at the start, there always is one: `obstacle` ensures that.
        return lambda: cast("ssl.SSLContext", self.current().context)

    def obstacle(self, loaded: WebConfig) -> str | None:
        """Return that TLS was switched on or off, if it was."""
        if (loaded.context is None) is (self._current.context is None):
            return None
        return "TLS cannot be switched on or off while the server runs; restart it"


#: The file of ``--web.available-users.file``.
FollowedUsers: TypeAlias = Followed[dict[str, AvailableUser]]
