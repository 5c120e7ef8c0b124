"""Who shares an answer with whom, and who waits for what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable

import pytest
from starlette.responses import Response

from exporter.web.shared_work import Batch, SharedWork

LONG = 30.0


class Kitchen(SharedWork[Response]):
    """Begins answers when it is asked to, and ends each when the test says so."""

    def __init__(self) -> None:
        super().__init__(1, at_once=2)
        self.begun: list[asyncio.Future[Response]] = []
        self.began = asyncio.Semaphore(0)

    def ask(self, key: Hashable = "page", *, patience: float = LONG) -> asyncio.Task[Response]:
        return asyncio.create_task(self._share(key, lambda _: Response(), patience=patience))

    async def _run(self, _: object, __: Batch) -> Response:
        self.begun.append(asyncio.get_running_loop().create_future())
        self.began.release()
        return await self.begun[-1]

    def end(self, number: int) -> Response:
        made = Response()
        self.begun[number].set_result(made)
        return made

    async def two_in_work(self) -> list[asyncio.Task[Response]]:
        asked = []
        for number in (1, 2):
            asked.append(self.ask())
            await settle()
            assert len(self.begun) == number, "two that come one after the other do not wait"
        return asked


async def settle() -> None:
    """Let everything run that waits for nothing."""
    for _ in range(10):
        await asyncio.sleep(0)


def on_a_loop(test: Callable[[Kitchen], Coroutine[None, None, None]]) -> Callable[[], None]:
    # Not as `functools.wraps` has it: pytest would look for a fixture.
    def run() -> None:
        asyncio.run(asyncio.wait_for(test(Kitchen()), LONG / 2))

    return run


@on_a_loop
async def test_a_crowd_shares_one_answer_that_is_begun_when_all_have_come(kitchen: Kitchen) -> None:
    _, second = await kitchen.two_in_work()
    crowd = [kitchen.ask() for _ in range(500)]
    await settle()
    assert len(kitchen.begun) == 2
    assert kitchen.end(1) is await second
    await settle()
    assert len(kitchen.begun) == 3
    made = kitchen.end(2)
    assert all(answer is made for answer in await asyncio.gather(*crowd))


@on_a_loop
async def test_nobody_joins_what_is_begun(kitchen: Kitchen) -> None:
    first, second = await kitchen.two_in_work()
    third = kitchen.ask()
    kitchen.end(0)
    await settle()
    late = kitchen.ask()
    kitchen.end(1)
    await settle()
    assert kitchen.end(2) is await third
    assert kitchen.end(3) is await late
    assert len({id(answer) for answer in await asyncio.gather(first, second, third, late)}) == 4


@on_a_loop
async def test_who_asks_for_something_else_waits_for_nobody(kitchen: Kitchen) -> None:
    await kitchen.two_in_work()
    other = kitchen.ask("other")
    await settle()
    assert kitchen.end(2) is await other


@on_a_loop
async def test_slow_answers_are_not_waited_for_beyond_patience(kitchen: Kitchen) -> None:
    await kitchen.two_in_work()
    third = kitchen.ask(patience=0.001)
    for _ in range(3):
        await kitchen.began.acquire()
    assert kitchen.end(2) is await third


@on_a_loop
async def test_who_leaves_early_spoils_nothing(kitchen: Kitchen) -> None:
    first, _ = await kitchen.two_in_work()
    leaving, staying = kitchen.ask(), kitchen.ask()
    await settle()
    leaving.cancel()
    first.cancel()
    kitchen.end(0)
    await settle()
    made = kitchen.end(2)
    assert await staying is made
    for task in (leaving, first):
        with pytest.raises(asyncio.CancelledError):
            await task


@on_a_loop
async def test_nothing_is_kept_of_what_is_answered(kitchen: Kitchen) -> None:
    asked = await kitchen.two_in_work()
    asked.append(kitchen.ask())
    for number in range(3):
        kitchen.end(number)
        await settle()
    await asyncio.gather(*asked)
    assert not kitchen._next
    assert not kitchen._begun
