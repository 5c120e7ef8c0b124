"""The routes."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeAlias

from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from exporter.errors import ConfigurationError, UnknownNameError
from exporter.runtime import Runtime
from exporter.settings import Configuration
from exporter.web.auth import CHECKS
from exporter.web.available import AvailableHandler
from exporter.web.follow import FollowedUsers, FollowedWebFile
from exporter.web.metrics_handler import MetricsHandler
from exporter.web.middleware import AVAILABLE_PATH, AuthMiddleware, TargetMiddleware
from exporter.web.responses import BadRequestError, plain
from exporter.web.shared_work import SharedWork

#: Reloads the configuration, or raises a `ConfigurationError` with all mistakes.
Reload: TypeAlias = Callable[[], Awaitable[None]]

#: For paths that ask the API nothing: more at once would only take time from scrapes.
_PAGES_AT_A_TIME = 4


def shared_reload(reload: Callable[[], None]) -> Reload:
    """Return a function that reloads in a thread of its own, one reload at a time.

    Requests during a reload share the next one, which reads the files after they arrived.
    """
    work: SharedWork[None] = SharedWork(1)
    return lambda: work.get("reload", reload)


class _Routes:
    """What is at each path."""

    def __init__(self, runtime: Runtime, metrics: MetricsHandler, reload: Reload | None) -> None:
        self._runtime = runtime
        self._metrics = metrics
        self._reload = reload
        self._pages: SharedWork[Response] = SharedWork(_PAGES_AT_A_TIME)
        self._configuration: tuple[Configuration | None, Response] = None, Response()

    async def landing(self, request: Request) -> Response:
        """Show people the results of the last scrapes."""
        account = _one_account(request)
        paused = request.query_params.get("refresh") == "off"
        origin = f"{request.url.scheme}://{request.headers.get('Host', '')}"

        def render() -> Response:
            # Only now: an exporter that only Prometheus asks starts faster and is smaller without.
            from exporter.web.landing import page as landing  # noqa: PLC0415

            statuses = self._runtime.status(account)
            text = landing.render(
                statuses, self._runtime.now(), origin=origin, account=account, paused=paused
            )
            return HTMLResponse(text, headers=landing.HEADERS)

        return await self._pages.get(("landing", account, paused, origin), render)

    async def metrics(self, request: Request) -> Response:
        """Scrape and show everything, one account, or the exporter itself."""
        account = _one_account(request)
        collect = request.query_params.getlist("collect[]")
        if any(name != "exporter" for name in collect):
            raise BadRequestError(
                "found an unknown collect[], expected 'exporter', or none for everything"
            )
        exporter_only = bool(collect)

        def scrape(seconds: float) -> Collector:
            return self._runtime.metrics(
                account=account, exporter_only=exporter_only, budget_seconds=seconds
            )

        return await self._metrics.answer(request, scrape, kind=(account, exporter_only))

    async def probe(self, request: Request) -> Response:
        """Scrape one account or queue: the multi-target form, which any replica can answer."""
        accounts = request.query_params.getlist("account")
        queues = request.query_params.getlist("queue")
        if len(accounts) != 1 or len(queues) > 1:
            raise BadRequestError("expected one account=NAME, and queue=NAME for one of its queues")
        account, queue = accounts[0], next(iter(queues), None)

        def scrape(seconds: float) -> Collector:
            return self._runtime.probe(account=account, queue=queue, budget_seconds=seconds)

        return await self._metrics.answer(request, scrape, kind=("probe", account, queue))

    async def targets(self, request: Request) -> Response:
        """List what there is to probe, for Prometheus' HTTP service discovery."""
        by = request.query_params.get("by", "queue")
        if by not in {"account", "queue"}:
            raise BadRequestError("found an unknown by, expected 'account' or 'queue'")
        return await self._pages.get(
            ("targets", by),
            lambda: JSONResponse(self._runtime.targets(by_account=by == "account")),
        )

    async def reload(self, request: Request) -> Response:
        """Reload the configuration."""
        if self._reload is None:
            return plain(
                403, "reloading over HTTP is disabled; enable it with --web.enable-lifecycle"
            )
        reload = asyncio.ensure_future(self._reload())
        stop = asyncio.ensure_future(request.app.state.shutdown.wait())
        # Files on storage that hangs must not keep the process from ending.
        await asyncio.wait((reload, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not reload.done():
            reload.cancel()
            return plain(503, "calltools-exporter is stopping.")
        reload.result()
        return plain(200, "configuration reloaded")

    async def configuration(self, _: Request) -> Response:
        """Show the current configuration, with secrets masked; it is rendered once."""
        return await self._pages.get("configuration", self._write_configuration)

    def _write_configuration(self) -> Response:
        configuration = self._runtime.configuration
        if self._configuration[0] is not configuration:
            text = self._runtime.configuration_text()
            self._configuration = configuration, plain(200, text)
        return self._configuration[1]

    async def healthy(self, _: Request) -> Response:
        """Report that the process answers."""
        return plain(200, "calltools-exporter is healthy.")

    async def ready(self, request: Request) -> Response:
        """Report whether the exporter accepts requests."""
        if request.app.state.stopping:
            return plain(503, "calltools-exporter is stopping.")
        return plain(200, "calltools-exporter is ready.")


def _one_account(request: Request) -> str | None:
    """Return the account that a request is narrowed to, None for all."""
    accounts = request.query_params.getlist("account")
    if len(accounts) > 1:
        raise BadRequestError("account is given more than once; ask for one, or for all")
    return next(iter(accounts), None)


async def _refuse(_: Request, error: Exception) -> Response:
    """Answer a request that asks for what does not exist, or a reload of mistakes."""
    return plain(400, str(error))


async def _refuse_path(_: Request, error: Exception) -> Response:
    """Answer an unknown path or a wrong method."""
    status = HTTPStatus(getattr(error, "status_code", 500))
    headers = getattr(error, "headers", None)
    return PlainTextResponse(f"{status.value} {status.phrase}\n", status.value, headers)


def create_app(  # noqa: PLR0913 - all but one have a default
    runtime: Runtime,
    *,
    max_requests: int = 40,
    timeout_offset: float = 0.5,
    max_timeout: float = 120.0,
    web_file: FollowedWebFile | None = None,
    available_users: FollowedUsers | None = None,
    reload: Reload | None = None,
) -> Starlette:
    """Make the application.

    Args:
        runtime: the running exporter, whose accounts are shown.
        max_requests: the maximum number of concurrent scrapes.
        timeout_offset: the seconds to subtract from Prometheus' scrape timeout.
        max_timeout: the longest timeout in seconds that a scrape can ask for.
        web_file: the passwords, and the headers of every response.
        available_users: the users that may ask `/available` only.
        reload: called by POST to ``/-/reload``; None if that is disabled.
    """
    if web_file or available_users:
        CHECKS.start_one()
    metrics = MetricsHandler(
        max_requests=max_requests, timeout_offset=timeout_offset, max_timeout=max_timeout
    )
    routes = _Routes(runtime, metrics, reload)
    available = AvailableHandler(runtime, max_requests=max_requests)
    app = Starlette(
        routes=[
            Route("/", routes.landing),
            Route("/metrics", routes.metrics),
            Route("/probe", routes.probe),
            Route(AVAILABLE_PATH, available.answer),
            Route("/sd", routes.targets),
            Route("/config", routes.configuration),
            Route("/-/reload", routes.reload, methods=["POST"]),
            Route("/-/healthy", routes.healthy),
            Route("/-/ready", routes.ready),
        ],
        middleware=[
            Middleware(TargetMiddleware),
            Middleware(AuthMiddleware, web_file, available_users),
        ],
        exception_handlers={
            404: _refuse_path,
            405: _refuse_path,
            BadRequestError: _refuse,
            UnknownNameError: _refuse,
            ConfigurationError: _refuse,
        },
    )
    # A redirect to the path without its slash would be built from the client's Host header.
    app.router.redirect_slashes = False
    app.state.stopping = False
    app.state.shutdown = asyncio.Event()
    return app
