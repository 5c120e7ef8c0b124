"""The call centre whose past is made: twelve queues of one account, and what went wrong there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from exporter.schedule import Schedule, Span
from exporter.settings import Account, Queue, Secret, TokenValue
from exporter.simulator import AVAILABLE, SimulatedAccount
from tests.simulator.days import DayWorld, ShiftPattern, Team

_WEEKDAYS = range(5)
_EVERY_DAY = range(7)


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that goes wrong each week, in UTC: the API answers a code, or nothing at all.

    ``queue`` 0 stands for all queues of the account. ``share`` is the part of the requests that
    fail, and ``retry_after`` what the API says of it.
    """

    account: str
    weekday: int
    start: time
    minutes: float
    code: str
    queue: int = 0
    share: float = 1.0
    retry_after: float | None = None

    def is_on(self, at: float) -> bool:
        """Return whether it happens at a Unix time."""
        now = datetime.fromtimestamp(at, UTC)
        begun = datetime.combine(now.date(), self.start, UTC)
        return now.weekday() == self.weekday and 0 <= at - begun.timestamp() < self.minutes * 60


@dataclass(frozen=True, slots=True)
class Centre:
    """Accounts as the exporter has them configured, as the API has them, and their incidents."""

    accounts: tuple[Account, ...]
    simulated: tuple[SimulatedAccount, ...]
    incidents: tuple[Incident, ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    """One queue: whom it needs and who works there."""

    name: str
    team: str
    zone: str
    required: int
    agents: int
    days: Sequence[int] = _WEEKDAYS
    opens: int = 9
    closes: int = 18
    waiting: float = 200.0

    def schedule(self) -> Schedule | None:
        if (self.opens, self.closes, self.days) == (0, 24, _EVERY_DAY):
            return None
        span = (Span(self.opens * 60, self.closes * 60),)
        week = tuple(span if day in self.days else () for day in _EVERY_DAY)
        return Schedule(self.zone, week)

    def teams(self, queue: int) -> list[Team]:
        """Return its shifts: they overlap for an hour, and at weekends half of them come."""
        hours = self.closes - self.opens
        shifts = max(1, round(hours / 8))
        length = hours / shifts
        return [
            Team(
                max(1, self.agents // shifts),
                (queue,),
                ShiftPattern(
                    zone=ZoneInfo(self.zone),
                    weekdays=frozenset(self.days),
                    start=time(int(self.opens + number * length)),
                    hours=length,
                    waiting=self.waiting,
                    call=220.0,
                ),
            )
            for number in range(shifts)
        ]


_NEW_YORK = "America/New_York"
_PLANS = (
    _Plan("sales", "sales", _NEW_YORK, 3, 14, closes=20),
    _Plan("sales-west", "sales", "America/Los_Angeles", 2, 8),
    _Plan("sales-spanish", "sales", _NEW_YORK, 1, 3),
    _Plan("sales-uk", "sales", "Europe/London", 1, 5),
    _Plan("weekend", "sales", _NEW_YORK, 1, 4, days=(5, 6), opens=10, closes=16),
    _Plan("support", "support", "UTC", 2, 24, days=_EVERY_DAY, opens=0, closes=24),
    _Plan("tech", "support", _NEW_YORK, 2, 9, opens=8, closes=17),
    _Plan("tech-germany", "support", "Europe/Berlin", 1, 4, opens=8, closes=17),
    _Plan("billing", "support", _NEW_YORK, 1, 5),
    _Plan("retention", "care", _NEW_YORK, 1, 3, waiting=260.0),
    _Plan("onboarding", "care", _NEW_YORK, 0, 1, opens=10, closes=15),
    _Plan("collections", "care", "America/Chicago", 1, 4, opens=8, closes=19),
)


def one_account() -> Centre:
    """Return one account with twelve queues and every agent's status."""
    incidents = (
        Incident("acme", 1, time(14, 12), 21, "503"),
        Incident("acme", 3, time(18, 20), 6, "401"),
        Incident("acme", 3, time(19, 5), 9, "429", retry_after=120),
        *(Incident("acme", day, time(0), 1440, "504", share=0.004) for day in _EVERY_DAY),
        *(Incident("acme", day, time(19, 35), 45, "timeout", queue=_id(8)) for day in (0, 3)),
        Incident("acme", 4, time(16), 90, "503", queue=_id(1), share=0.5),
    )
    return _centre((_account("acme", "east-2.calltools.io", _PLANS, 0, "agents"),), incidents)


def vendor(accounts: int = 150) -> Centre:
    """Return many accounts of four queues each, on six silos, as a lead vendor has them."""
    silos = ("east-1", "east-2", "east-3", "west-2", "west-3", "west-4")
    zones = (_NEW_YORK, "America/Chicago", "America/Los_Angeles")
    made = []
    for number in range(accounts):
        plans = [
            _Plan(name, team, zones[number % 3], 1 + (number + place) % 2, 2 + (number + place) % 5)
            for place, (name, team) in enumerate(
                (("medicare", "health"), ("aca", "health"), ("auto", "cars"), ("final", "life"))
            )
        ]
        host = f"{silos[number % len(silos)]}.calltools.io"
        made.append(_account(f"client-{number:03}", host, plans, number, "count"))
    names = [account.name for account, _ in made]
    incidents = (
        *(Incident(name, day, time(0), 1440, "401") for name in names[7:8] for day in _EVERY_DAY),
        *(
            Incident(name, 3, time(19, 40), 40, "timeout")
            for name, (account, _) in zip(names, made, strict=True)
            if account.host.startswith("west-3")
        ),
    )
    return _centre(tuple(made), incidents)


def _centre(
    made: tuple[tuple[Account, SimulatedAccount], ...], incidents: tuple[Incident, ...]
) -> Centre:
    accounts, simulated = zip(*made, strict=True)
    return Centre(accounts, simulated, incidents)


def _id(place: int, account: int = 0) -> int:
    return 5400 + 100 * account + 3 * place


def _account(
    name: str, host: str, plans: Sequence[_Plan], number: int, detail: str
) -> tuple[Account, SimulatedAccount]:
    ids = [_id(place, number) for place in range(len(plans))]
    queues = tuple(
        Queue(id_, plan.name, (AVAILABLE,), plan.required, plan.team, plan.schedule())
        for id_, plan in zip(ids, plans, strict=True)
    )
    teams = [team for id_, plan in zip(ids, plans, strict=True) for team in plan.teams(id_)]
    world = DayWorld(
        dict(zip(ids, (plan.name for plan in plans), strict=True)), teams, seed=f"history/{name}"
    )
    key = f"history-{name}"
    account = Account(
        name,
        f"https://{host}",
        TokenValue(Secret(key), "the simulator's key"),
        queues,
        detail="agents" if detail == "agents" else "count",
    )
    return account, SimulatedAccount(world, key, name)
