"""The API itself: one request and a time in, one answer out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import is_not

from exporter.simulator.listing import LISTS, Dialect, read_list
from exporter.simulator.wire import Answer, Request, html_answer, json_answer
from exporter.simulator.world import AccountMoment, World

#: The default key of an account; long enough to be found where it must not appear.
TOKEN = "a3f9c1simulatedcalltoolskey7e52d8b4"  # noqa: S105 - it is of no use elsewhere


@dataclass(slots=True)
class SimulatedAccount:
    """One account: its key and its world. Its own dialect takes precedence over the simulator's."""

    world: World
    token: str = TOKEN
    name: str = "acme"
    active: bool = True
    dialect: Dialect | None = None
    _state: tuple[object, ...] = field(default=(), init=False, repr=False)
    _answers: dict[tuple[str, ...], Answer] = field(default_factory=dict, init=False, repr=False)

    def answers(self, *state: object) -> dict[tuple[str, ...], Answer]:
        """Return the answers of this state; a new state begins without any."""
        if len(state) != len(self._state) or any(map(is_not, state, self._state)):
            self._state, self._answers = state, {}
        return self._answers


class Api:
    """The CallTools API of one silo, for the accounts that it holds."""

    def __init__(self, accounts: Iterable[SimulatedAccount], dialect: Dialect) -> None:
        self.dialect = dialect
        self._by_token = {account.token: account for account in accounts}

    def account(self, request: Request) -> SimulatedAccount | None:
        """Return the account whose key the request carries, if in the right form."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return self._by_token.get(token.strip()) if scheme.lower() == "token" else None

    def answer(self, request: Request, at: float) -> Answer:
        """Return the answer to a request at a Unix time."""
        account = self.account(request)
        if account is None:
            return self._route(request, None, self.dialect)
        moment = account.world.at(at)
        dialect = account.dialect or self.dialect
        answers = account.answers(moment, dialect, account.active)
        key = (request.method, request.target, request.headers.get("host", ""))
        if key not in answers:
            permitted = moment if account.active else None
            answers[key] = self._route(request, permitted, dialect)
        return answers[key]

    def _route(self, request: Request, moment: AccountMoment | None, dialect: Dialect) -> Answer:
        endpoint = request.path.removeprefix("/api/").removesuffix("/")
        if request.path != f"/api/{endpoint}/" or endpoint not in LISTS - dialect.missing:
            return html_answer(404, "Not Found")
        if moment is None:
            return self._unauthenticated(request, dialect)
        if request.method != "GET":
            return _detail(405, f'Method "{request.method}" not allowed.')
        if endpoint in dialect.forbidden:
            return _detail(403, "You do not have permission to perform this action.")
        return read_list(endpoint, request, moment, dialect)

    def _unauthenticated(self, request: Request, dialect: Dialect) -> Answer:
        words = request.headers.get("authorization", "").split()
        if not words or words[0].lower() != "token":
            detail = "Authentication credentials were not provided."
        elif len(words) == 1:
            detail = "Invalid token header. No credentials provided."
        elif len(words) > 2:
            detail = "Invalid token header. Token string should not contain spaces."
        elif self.account(request) is not None:
            detail = "User inactive or deleted."
        else:
            detail = "Invalid token."
        challenge = [("WWW-Authenticate", "Token")] if dialect.bad_key == 401 else []
        return _detail(dialect.bad_key, detail, *challenge)


def _detail(status: int, text: str, *headers: tuple[str, str]) -> Answer:
    return json_answer(status, {"detail": text}, *headers)
