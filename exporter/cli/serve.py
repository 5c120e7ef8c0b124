"""`serve`: wire the parts together and answer Prometheus until a signal comes."""

import contextlib
import gc
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from exporter import __version__, config, systemd
from exporter.cli import exits
from exporter.cli.unused_variables import warn_of_unused_variables
from exporter.config import Loaded
from exporter.errors import ConfigurationError
from exporter.files import Watched, follow
from exporter.runtime import Runtime
from exporter.web.app import create_app, shared_reload
from exporter.web.available_users import load_available_users, warn_of_open_paths
from exporter.web.follow import Followed, FollowedWebFile
from exporter.web.server.listeners import listen
from exporter.web.server.process import file_limit, give_back_large_blocks
from exporter.web.server.server import Server

log = structlog.get_logger(__name__)

#: How often to look for changes of the files of the web configuration, in seconds.
_WEB_FILES_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The flags of `serve` and `demo` by their names; the times are in seconds."""

    web_listen_address: tuple[str, ...]
    web_max_requests: int
    scrape_timeout_offset: float
    scrape_max_timeout: float = 120.0
    scrape_max_parallel_requests: int = 256
    web_config_file: Path | None = None
    web_available_users_file: Path | None = None
    web_enable_lifecycle: bool = False


def make_server(
    runtime: Runtime, options: ServeOptions, reload: Callable[[], None] | None = None
) -> Server:
    """Listen, and return a server for a runtime; follow the files of the web configuration.

    Without ``reload``, which SIGHUP and `/-/reload` call, SIGHUP ends the server.

    Raises:
        ExporterError: an address cannot be listened on, or the web file has mistakes.
    """
    web_file = available_users = None
    if options.web_config_file:
        web_file = FollowedWebFile(options.web_config_file)
        _follow(web_file.look, _WEB_FILES_SECONDS)
    if users_file := options.web_available_users_file:
        available_users = Followed("available users file", users_file, load_available_users)
        _follow(available_users.look, _WEB_FILES_SECONDS)
        warn_of_open_paths(users_file, web_file.current() if web_file else None)

    shared = shared_reload(reload) if reload else None
    app = create_app(
        runtime,
        max_requests=options.web_max_requests,
        timeout_offset=options.scrape_timeout_offset,
        max_timeout=options.scrape_max_timeout,
        web_file=web_file,
        available_users=available_users,
        reload=shared if options.web_enable_lifecycle else None,
    )

    return Server(
        app,
        listen(options.web_listen_address),
        ssl_context=web_file.ssl_context if web_file else None,
        on_hangup=shared,
        api_connections=options.scrape_max_parallel_requests,
        record_drop=runtime.counters.server.record_dropped_connection,
    )


def serve(
    given: Path | None,
    environ: Mapping[str, str],
    options: ServeOptions,
    *,
    auto_reload_seconds: float,
) -> int:
    """Serve until a signal comes."""
    path = config.find_file(given)
    watched = _watch(path, environ)
    configuration = watched.value.configuration
    warn_of_unused_variables(environ, watched.value)
    runtime = Runtime(
        configuration,
        max_parallel_requests=options.scrape_max_parallel_requests,
        load=lambda: watched.reload().configuration,
    )
    reload = partial(_reload, runtime)
    server = make_server(runtime, options, reload)
    # Before it serves, so that no scrape opens others meanwhile; serving needs files, too.
    runtime.open_connections(file_limit() // 4)
    give_back_large_blocks()
    # What is there by now stays: the collector need not look at it again during scrapes.
    gc.freeze()
    log.info(
        "Listening",
        version=__version__,
        addresses=" ".join(server.urls),
        accounts=len(configuration.accounts),
    )
    if auto_reload_seconds:
        _follow(partial(reload_if_changed, watched.has_changed, reload), auto_reload_seconds)
    server.run()
    log.info("Stopped")
    return exits.OK


def _watch(path: Path | None, environ: Mapping[str, str]) -> Watched[Loaded]:
    """Load the configuration, to be loaded again when one of its files changes.

    Raises:
        ConfigurationError: with all mistakes.
    """

    def load() -> Loaded:
        loaded = config.load(path, environ)
        for account in loaded.configuration.accounts:
            if account.tls.insecure_skip_verify:
                log.warning(
                    "Certificate verification disabled", account=account.name, host=account.host
                )
        return loaded

    return Watched(load, [path] if path else [])


def _reload(runtime: Runtime) -> None:
    """Reload, and report to systemd how that went.

    Raises:
        ConfigurationError: with all mistakes.
    """
    systemd.notify(*systemd.reloading())
    status = "STATUS="
    try:
        runtime.reload()
    except ConfigurationError:
        status += "The configuration has mistakes; still using the previous one"
        raise
    finally:
        systemd.notify(systemd.READY, status)


def reload_if_changed(has_changed: Callable[[], bool], reload: Callable[[], None]) -> None:
    """Reload if one of the configuration's files has changed."""
    if has_changed():
        with contextlib.suppress(ConfigurationError):  # logged already
            reload()


def _follow(look: Callable[[], None], seconds: float) -> None:
    threading.Thread(target=follow, args=(look, seconds), name="follow", daemon=True).start()
