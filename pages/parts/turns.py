"""Answers that take a while: made once for all who ask, and waited for without a thread each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

PATIENCE = 60.0  # seconds a request waits
LOOK = 0.5  # seconds between two looks whether its browser is still there
MOST_WAITING, MOST_FOR_ONE = 256, 64  # requests that wait, in all and for one answer
MOST_MADE, MOST_BY_ONE = 8, 4  # answers in the making, in all and asked for by one client


class Busy(Exception):
    """Too many wait, or it takes too long; the same request may succeed later."""


@dataclass(eq=False)
class _Answer:
    client: str
    make: Callable[[], Awaitable[object]]
    ready: asyncio.Future = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    waiting: int = 0
    task: asyncio.Task | None = None


class Turns:
    """All answers that are waited for; used within one event loop."""

    def __init__(self) -> None:
        self._answers: dict[str, _Answer] = {}

    async def take(
        self,
        address: str,
        make: Callable[[], Awaitable[object]],
        client: str,
        is_gone: Callable[[], Awaitable[bool]],
    ) -> object:
        """What `make` gives or raises; it is called once for all who wait for this address.

        client: who asks; those who ask for much get their turn in between others. is_gone:
        whether nobody waits for this request any more.

        Raises:
            Busy: too many wait already, or it took too long.
        """
        answer = self._answers.get(address)
        if sum(one.waiting for one in self._answers.values()) >= MOST_WAITING:
            raise Busy
        if answer is not None and answer.waiting >= MOST_FOR_ONE:
            raise Busy
        if answer is None:
            answer = self._answers[address] = _Answer(client, make)
        answer.waiting += 1
        self._begin()
        deadline = time.monotonic() + PATIENCE
        try:
            while not answer.ready.done():
                if time.monotonic() > deadline or await is_gone():
                    raise Busy
                await asyncio.wait([answer.ready], timeout=LOOK)
            return answer.ready.result()
        finally:
            answer.waiting -= 1
            if answer.task is None and answer.waiting == 0:
                del self._answers[address]

    def _begin(self) -> None:
        """Start what may be started, first what was asked for first."""
        made = [one for one in self._answers.values() if one.task is not None]
        for address, answer in self._answers.items():
            if len(made) >= MOST_MADE:
                return
            by_one = sum(one.client == answer.client for one in made)
            if answer.task is None and by_one < MOST_BY_ONE:
                answer.task = asyncio.create_task(self._make(address, answer))
                made.append(answer)

    async def _make(self, address: str, answer: _Answer) -> None:
        try:
            answer.ready.set_result(await answer.make())
        except Exception as error:  # for each who waits
            answer.ready.set_exception(error)
            answer.ready.exception()  # also when nobody waits any more
        finally:
            del self._answers[address]
            self._begin()
