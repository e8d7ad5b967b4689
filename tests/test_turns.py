import asyncio

import pytest

from pages.parts import turns
from pages.parts.turns import Busy, Turns


class Work:
    """Answers that are made when the test says so."""

    def __init__(self):
        self.begun, self.go = [], asyncio.Event()

    def make(self, name):
        async def make():
            self.begun.append(name)
            await self.go.wait()
            return name.upper()

        return make


async def never():
    return False


def asked(line, work, address, client="a", is_gone=never):
    return asyncio.create_task(line.take(address, work.make(address), client, is_gone))


async def rest():
    for _ in range(10):
        await asyncio.sleep(0)


def test_an_answer_is_made_once_for_all_who_ask():
    async def story():
        line, work = Turns(), Work()
        tasks = [asked(line, work, "x", client) for client in "abc"]
        await rest()
        work.go.set()
        assert [await task for task in tasks] == ["X"] * 3
        assert work.begun == ["x"]
        assert await line.take("x", work.make("x"), "a", never) == "X"
        assert work.begun == ["x", "x"]  # what has been given is not kept here

    asyncio.run(story())


def test_one_client_does_not_take_all_turns():
    async def story():
        line, work = Turns(), Work()
        tasks = [asked(line, work, f"a{n}") for n in range(20)]
        tasks.append(asked(line, work, "b", "b"))
        await rest()
        assert work.begun == ["a0", "a1", "a2", "a3", "b"]
        work.go.set()
        await asyncio.gather(*tasks)
        assert len(work.begun) == 21

    asyncio.run(story())


def test_at_most_so_many_are_made_at_once():
    async def story():
        line, work = Turns(), Work()
        tasks = [asked(line, work, f"{n}", f"{n}") for n in range(turns.MOST_MADE + 5)]
        await rest()
        assert len(work.begun) == turns.MOST_MADE
        work.go.set()
        await asyncio.gather(*tasks)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("most", "addresses"),
    [(turns.MOST_FOR_ONE, ["x"] * 300), (turns.MOST_WAITING, [str(n) for n in range(300)])],
)
def test_too_many_are_sent_away_at_once_and_the_others_served(most, addresses):
    async def story():
        line, work = Turns(), Work()
        tasks = [asked(line, work, address) for address in addresses]
        await rest()
        away = [task for task in tasks if task.done()]
        assert len(away) == 300 - most and all(type(t.exception()) is Busy for t in away)
        work.go.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(answer, str) for answer in answers) == most

    asyncio.run(story())


def test_nothing_is_made_for_those_who_left_before_their_turn(monkeypatch):
    monkeypatch.setattr(turns, "LOOK", 0.01)

    async def gone():
        return True

    async def story():
        line, work = Turns(), Work()
        tasks = [asked(line, work, f"{n}") for n in range(turns.MOST_BY_ONE)]
        await rest()
        left = asked(line, work, "left", is_gone=gone)
        with pytest.raises(Busy):
            await left
        work.go.set()
        await asyncio.gather(*tasks)
        await rest()
        assert "left" not in work.begun

    asyncio.run(story())


def test_who_waits_too_long_is_sent_away(monkeypatch):
    monkeypatch.setattr(turns, "LOOK", 0.01)
    monkeypatch.setattr(turns, "PATIENCE", 0.02)

    async def story():
        line, work = Turns(), Work()
        with pytest.raises(Busy):
            await line.take("x", work.make("x"), "a", never)
        work.go.set()
        await rest()
        assert await line.take("x", work.make("x"), "a", never) == "X"

    asyncio.run(story())


def test_why_an_answer_could_not_be_made_is_told_to_all():
    async def fail():
        await asyncio.sleep(0)
        raise LookupError("no")

    async def story():
        line = Turns()
        tasks = [asyncio.create_task(line.take("x", fail, "a", never)) for _ in range(3)]
        told = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(error) for error in told] == ["no"] * 3

    asyncio.run(story())
