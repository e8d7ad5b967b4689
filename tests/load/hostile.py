"""Put every file of the corpora into one home, visit every page for each, and print what happened.

`python -m tests.load.hostile`; takes some minutes. Ends with 1 where a page raised, the log holds a
traceback, a model is neither shown nor refused with a sentence, or memory was not given back.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlencode

import psutil

from tests.corpus import models, pictures
from tests.server import Server, Visit, elements, server

PAGES = ("", "train", "explore", "explain", "hans", "compare", "models")
PATIENCE = 60  # seconds for a page to come to rest
MEGABYTE = 2**20


def fill(home: Path) -> None:
    """All corpora as a visitor's models and as an image folder."""
    (home / "models").mkdir()
    for name, content in models.corpus():
        (home / "models" / f"{name}.safetensors").write_bytes(content)
    for split in ("train", "test"):
        place = home / "data" / "odd" / split / "good"
        place.mkdir(parents=True)
        for name, content in pictures.corpus():
            (place / name).write_bytes(content)


def memory(running: Server) -> float:
    """Of the server's own process, in MiB."""
    return psutil.Process(running.process.pid).memory_info().rss / MEGABYTE


def settled(running: Server, page: str, **link: str) -> tuple[list, float]:
    """The messages of a page in a fresh session that has come to rest, and its longest run."""
    longest, deadline = 0.0, time.monotonic() + PATIENCE
    while True:
        began = time.monotonic()
        with Visit(running) as visit:
            messages = visit.run(page, urlencode(link))
        longest = max(longest, time.monotonic() - began)
        if not elements(messages, "progress") or time.monotonic() > deadline:
            return messages, longest
        time.sleep(0.2)


def answer(messages: list) -> str:
    """What a page came to: raised, works, shown, or its sentences."""
    if found := elements(messages, "exception"):
        return f"raised {found[0].type}: {found[0].message[:300]} {list(found[0].stack_trace)[-2:]}"
    if elements(messages, "progress"):
        return "works still"
    if elements(messages, "bidi_component"):
        return "shown"
    said = [alert.body for alert in elements(messages, "alert")]
    if said:
        return f"said {said[-1][:200]}"
    return "shown" if elements(messages, "heading") else "nothing"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        fill(home)
        with server(home) as running:
            return visit_all(running)


def visit_all(running: Server) -> int:
    """Every page for every model; how many went wrong."""
    for page in PAGES:
        settled(running, page)
    first, found, slow, wrong = memory(running), Counter(), [], 0
    for name, _ in models.corpus():
        for page in ("explore", "explain", "hans", "models"):
            steps = {"step-table": "true", "step-remedy": "true"} if page == "hans" else {}
            messages, seconds = settled(running, page, model=name, **steps)
            came_to = answer(messages)
            found[page, came_to.split()[0]] += 1
            slow.append((seconds, page, name))
            alerts = [alert.body for alert in elements(messages, "alert")]
            if page == "explore" and any("There is no model" in body for body in alerts):
                break  # another is shown in its place; one page is enough
            if came_to.split()[0] in ("raised", "works", "nothing") and page != "models":
                print(f"{page} of {name}: {came_to}", flush=True)
                wrong += 1
            elif page == "explore" and came_to.startswith("said"):
                print(f"{name}: {came_to}", flush=True)
    time.sleep(5)
    last, log = memory(running), running.output()
    print(f"{len(models.corpus())} files, {sum(found.values())} visits: {dict(found)}")
    print(f"slowest: {sorted(slow)[-5:]}")
    print(f"memory {first:.0f} MiB before, {last:.0f} MiB after")
    if "Traceback" in log:
        print(log[-5_000:])
    return wrong + ("Traceback" in log) + (last > first + 100)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
