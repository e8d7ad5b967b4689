"""A real server in a process of its own, and a client that speaks its protocol."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import requests
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

ROOT = Path(__file__).parents[1]


class Server:
    """A running `streamlit run app.py`; seconds_to_answer is how long its health took."""

    def __init__(self, home: Path, *options: str, **environment: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.address}"
        self.log = (home / "server.log").open("w+")
        options = ("--server.port", str(self.port), "--server.headless", "true", *options)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", *options],
            cwd=ROOT,
            env=os.environ
            | {"DEEPSVDD_HOME": str(home), "DEEPSVDD_DATA": str(home / "data")}
            | environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 60
        while not self._is_healthy():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.05)

    def _is_healthy(self) -> bool:
        try:
            return requests.get(f"{self.url}/_stcore/health", timeout=2).text == "ok"
        except requests.RequestException:  # not there yet, or too busy to answer
            return False

    def output(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()


@contextlib.contextmanager
def server(home: Path, *options: str, **environment: str) -> Iterator[Server]:
    running = Server(home, *options, **environment)
    try:
        yield running
    finally:
        running.stop()


class Visit(contextlib.AbstractContextManager):
    """One browser tab, without a browser: runs a page and keeps what was sent."""

    def __init__(self, running: Server) -> None:
        self._stack = contextlib.ExitStack()
        address = f"ws://{running.address}/_stcore/stream"
        self.socket = self._stack.enter_context(
            connect(address, subprotocols=["streamlit"], max_size=None)
        )

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def run(
        self, page: str = "", query: str = "", timeout: float = 60, **state: object
    ) -> list[ForwardMsg]:
        """Ask for a page ("" is the first) and return the messages up to the end of the run.

        A run that ended early because the page asked for another, as when a result came meanwhile,
        is not the end.

        state: further fields of the request, such as the states of widgets.
        """
        request = BackMsg()
        request.rerun_script.MergeFrom(ClientState(page_name=page, query_string=query, **state))
        self.socket.send(request.SerializeToString())
        messages = []
        while True:
            message = ForwardMsg()
            message.ParseFromString(self.socket.recv(timeout=timeout))
            messages.append(message)
            if message.WhichOneof("type") == "script_finished":
                if message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    return messages
                messages = []


def elements(messages: list[ForwardMsg], kind: str) -> list:
    """The elements of one kind among the messages, such as "heading" or "exception"."""
    deltas = [message.delta for message in messages if message.WhichOneof("type") == "delta"]
    found = [delta.new_element for delta in deltas if delta.WhichOneof("type") == "new_element"]
    return [getattr(element, kind) for element in found if element.WhichOneof("type") == kind]


class Answer(NamedTuple):
    """What came back; `headers` by names in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


async def ask(running: Server, target: str, **headers: str) -> Answer:
    """GET a target exactly as it is written; headers given take the place of the usual ones."""
    begun = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    told = {"Host": running.address, "Connection": "close", **headers}
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {text}" for name, text in told.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    raw = await reader.read()
    writer.close()
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    named = {name.lower(): text for name, _, text in (line.partition(": ") for line in rest)}
    return Answer(int(first.split()[1]), named, body, time.monotonic() - begun)


def ask_together(running: Server, targets: list[str]) -> tuple[list[Answer], list[Answer]]:
    """GET all targets at once; their answers, and those of the first page meanwhile."""

    async def both() -> tuple[list[Answer], list[Answer]]:
        tasks = [asyncio.create_task(ask(running, target)) for target in targets]
        first = [await ask(running, "/")]
        while not all(task.done() for task in tasks):
            first.append(await ask(running, "/"))
            await asyncio.sleep(0.05)
        return [await task for task in tasks], first

    return asyncio.run(both())
