"""A class visits: sessions that click through the pages while a few of them train.

`python -m tests.load.classroom [seconds] [sessions] [trainers]` starts a server of its own and
prints waiting times, memory, and everything that went wrong; it ends with 1 if anything did.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil
import requests
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from deepsvdd_core import library
from tests.server import Server, server

SHOWN = ("explore", "explain", "hans")  # pages of a model
OTHERS = ("compare", "models", "train")
MODELS = [path.stem for path in sorted(library.BUNDLED.glob("*.safetensors"))]
PATIENCE = 90  # seconds


class Trial:
    """What is measured: seconds by action, and what went wrong."""

    def __init__(self, running: Server, seconds: float) -> None:
        self.running, self.end = running, time.monotonic() + seconds
        self.seconds: dict[str, list[float]] = collections.defaultdict(list)
        self.faults: list[str] = []
        self.trained = 0

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.end


class Session:
    """One browser tab with its cookie, that honours fragments and polls as a browser does."""

    def __init__(self, trial: Trial, name: str) -> None:
        self.trial, self.name = trial, name
        self.elements: dict[tuple, object] = {}
        self.widgets: dict[str, WidgetState] = {}
        self.polls: dict[str, asyncio.Task] = {}
        self.pages: dict[str, str] = {}
        self.cache: dict[str, ForwardMsg] = {}
        self.page, self.query, self.stale = "", "", set()
        self.done = asyncio.Event()

    async def open(self) -> None:
        url = self.trial.running.url
        answer = await asyncio.to_thread(requests.get, url, headers={"Accept": "text/html"})
        cookie = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())
        self.socket = await websockets.connect(
            f"ws://{self.trial.running.address}/_stcore/stream",
            subprotocols=["streamlit"],
            max_size=None,
            origin=url,
            additional_headers={"Cookie": cookie},
        )
        self.reader = asyncio.create_task(self.read())
        await self.act("start", page="")

    async def close(self) -> None:
        for poll in self.polls.values():
            poll.cancel()
        await self.socket.close()
        await self.reader

    def fault(self, text: str) -> None:
        self.trial.faults.append(f"{self.name}: {text}")

    async def read(self) -> None:
        try:
            async for content in self.socket:
                self.take(ForwardMsg.FromString(content))
        except websockets.ConnectionClosedError as error:
            self.fault(f"connection closed, {error}")

    def take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "ref_hash":
            known = self.cache.get(message.ref_hash)
            if known is None:
                return
            meta, message = message.metadata, ForwardMsg()
            message.CopyFrom(known)
            message.metadata.CopyFrom(meta)
            kind = message.WhichOneof("type")
        elif message.hash:
            self.cache[message.hash] = message
        match kind:
            case "navigation":
                self.page = message.navigation.page_script_hash
                pages = message.navigation.app_pages
                self.pages = {page.url_pathname: page.page_script_hash for page in pages}
            case "page_info_changed":
                self.query = message.page_info_changed.query_string
            case "new_session" if not message.metadata.run.fragment_ids:
                self.stale = set(self.elements)
                self.stop_polls()
            case "delta":
                place = tuple(message.metadata.delta_path)
                self.elements[place] = message.delta
                self.stale.discard(place)
                self.look(message.delta)
            case "auto_rerun":
                about = message.auto_rerun
                self.stop_polls(about.fragment_id)
                poll = self.poll(about.fragment_id, about.interval)
                self.polls[about.fragment_id] = asyncio.create_task(poll)
            case "stop_auto_rerun":
                self.stop_polls(message.stop_auto_rerun.fragment_id)
            case "script_finished" if not message.metadata.run.fragment_ids:
                for place in self.stale:
                    self.elements.pop(place, None)
                self.stale = set()
                self.done.set()

    def look(self, delta: object) -> None:
        if delta.WhichOneof("type") != "new_element":
            return
        if delta.new_element.WhichOneof("type") == "exception":
            self.fault(f"exception {delta.new_element.exception.type}")
        if delta.new_element.WhichOneof("type") == "alert" and delta.new_element.alert.format == 1:
            self.fault(f"error: {delta.new_element.alert.body[:200]}")

    def stop_polls(self, *names: str) -> None:
        for name in names or list(self.polls):
            if name in self.polls:
                self.polls.pop(name).cancel()

    async def poll(self, fragment: str, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            await self.send(fragment=fragment)

    async def send(self, *, fragment: str = "", page: str = "") -> None:
        message = BackMsg()
        run = message.rerun_script
        run.query_string, run.page_script_hash = self.query, self.page
        run.page_name, run.fragment_id = page, fragment
        run.widget_states.widgets.extend(self.widgets.values())
        self.widgets = {
            name: state
            for name, state in self.widgets.items()
            if state.WhichOneof("value") != "trigger_value"
        }
        with contextlib.suppress(websockets.ConnectionClosed):
            await self.socket.send(message.SerializeToString())

    async def act(self, action: str, **about: str) -> None:
        """Run the page and wait for its end."""
        self.done.clear()
        began = time.monotonic()
        await self.send(**about)
        try:
            await asyncio.wait_for(self.done.wait(), PATIENCE)
        except TimeoutError:
            self.fault(f"{action}: no answer in {PATIENCE} s")
        self.trial.seconds[action].append(time.monotonic() - began)

    async def go(self, page: str, query: str = "") -> None:
        self.page, self.query, self.widgets = self.pages[page], query, {}
        await self.act(f"open {page}")

    def all(self, kind: str) -> list:
        elements = [
            delta.new_element
            for delta in list(self.elements.values())
            if delta.WhichOneof("type") == "new_element"
        ]
        return [getattr(e, kind) for e in elements if e.WhichOneof("type") == kind]

    def set(self, element: object, **value: object) -> None:
        self.widgets[element.id] = WidgetState(id=element.id, **value)

    def number(self, label: str, value: int) -> bool:
        """Type into a field for whole numbers; whether it is there."""
        for field in self.all("number_input"):
            if field.label == label:
                self.set(field, int_value=value)
                return True
        return False


async def visitor(trial: Trial, number: int) -> None:
    """Wanders through the pages and looks at images."""
    await asyncio.sleep(0.3 * number)
    session, draw = Session(trial, f"visitor {number}"), random.Random(number)
    await session.open()
    where = "start"
    while trial.goes_on:
        if where not in SHOWN or draw.random() < 0.2:
            where = draw.choice([*SHOWN, *SHOWN, *OTHERS])
            query = f"model={draw.choice(MODELS)}" if where in SHOWN else ""
            await session.go(where, query)
        elif where == "explain" and session.number("Image", draw.randrange(1000)):
            await session.act("choose an image")
        else:
            await session.act(f"again {where}")
        if where == "train" and any(b.label == "Cancel" for b in session.all("button")):
            session.fault("sees a Cancel of another's training")
        await asyncio.sleep(draw.uniform(1, 5))
    await session.close()


async def trainer(trial: Trial, number: int) -> None:
    """Trains one model after the other; each must end on this very page."""
    await asyncio.sleep(2 + number)
    session, seed = Session(trial, f"trainer {number}"), 1000 * (number + 1)
    await session.open()
    while trial.goes_on:
        await session.go("train")
        seed += 1
        if not session.number("seed", seed):
            session.fault("there is no field for the seed")
            break
        button = next(button for button in session.all("button") if button.label == "Train")
        session.set(button, trigger_value=True)
        began = time.monotonic()
        await session.act("press Train")
        while not any("Finished" in alert.body for alert in session.all("alert")):
            await asyncio.sleep(0.5)
            if time.monotonic() - began > 10 * PATIENCE:
                session.fault(f"training {seed} has not ended on its page")
                break
        else:
            trial.trained += 1
            trial.seconds["a training"].append(time.monotonic() - began)
    await session.close()


async def run(trial: Trial, sessions: int, trainers: int) -> None:
    """All visitors at once."""
    await asyncio.gather(
        *(visitor(trial, number) for number in range(sessions - trainers)),
        *(trainer(trial, number) for number in range(trainers)),
    )


def memory(running: Server) -> tuple[float, float]:
    """MiB of the server, and of its engine."""
    process = psutil.Process(running.process.pid)
    family = process.children(recursive=True)
    sizes = []
    for one in family:
        with contextlib.suppress(psutil.Error):
            sizes.append(one.memory_info().rss)
    return process.memory_info().rss / 2**20, sum(sizes) / 2**20


def main() -> int:
    """Print what was measured; the number of faults decides the exit."""
    asked = [int(text) for text in sys.argv[1:]]
    seconds, sessions, trainers = asked + [180, 30, 4][len(asked) :]
    with tempfile.TemporaryDirectory() as home, server(Path(home)) as running:
        before = memory(running)
        trial = Trial(running, seconds)
        asyncio.run(run(trial, sessions, trainers))
        after, log = memory(running), running.output()
    for action, times in sorted(trial.seconds.items()):
        worst = sorted(times)
        print(
            f"{action:20} {len(times):5} times, median {statistics.median(times):6.2f} s, "
            f"95 % {worst[int(0.95 * (len(worst) - 1))]:6.2f} s, worst {worst[-1]:6.2f} s"
        )
    print(f"{trial.trained} trainings ended on their pages")
    print(f"memory of server and engine: {before} MiB before, {after} MiB after")
    for fault, count in collections.Counter(trial.faults).most_common():
        print(f"{count} x {fault}")
    traces = log.count("Traceback")
    print(f"{len(trial.faults)} faults, {traces} tracebacks in the log")
    return min(1, len(trial.faults) + traces)


if __name__ == "__main__":
    sys.exit(main())
