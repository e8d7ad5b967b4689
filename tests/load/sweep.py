"""Open every page with every parameter of a link and every absurd value, and print what broke.

`python -m tests.load.sweep [share]` runs all of it, or a share; about a tenth of a second each.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests import sweep
from tests.server import server


def main() -> int:
    """How many runs went wrong, at most 1."""
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    runs = [*sweep.links(), *sweep.pairs()]
    drawn = random.Random(0).sample(runs, round(share * len(runs)))
    broken, longest = [], 0.0
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as running:
        process = psutil.Process(running.process.pid)
        for page in sweep.PAGES:
            sweep.faults(running, page, {})
        before, began = process.memory_info().rss, time.monotonic()
        for number, (page, link) in enumerate(drawn, 1):
            begun = time.monotonic()
            found = sweep.faults(running, page, link)
            longest = max(longest, time.monotonic() - begun)
            if found:
                broken.append((page, link))
                shown = {name: value[:40] for name, value in link.items()}
                print(page, shown, found[0][:300], flush=True)
            if number % 1_000 == 0:
                print(f"{number} runs, {time.monotonic() - began:.0f} s", flush=True)
        time.sleep(3)
        after, log = process.memory_info().rss, sweep.tracebacks(running)
    print(f"{len(sweep.names())} parameters: {' '.join(sweep.names())}")
    print(f"{len(drawn)} of {len(runs)} runs in {time.monotonic() - began:.0f} s", end=", ")
    print(f"longest {longest:.1f} s, {len(broken)} raised, {len(log)} tracebacks", end=", ")
    print(f"memory {before / 2**20:.0f} MiB before, {after / 2**20:.0f} MiB after")
    for line in sorted(set(log)):
        print(line)
    return int(bool(broken or log or after > before + 100 * 2**20))


if __name__ == "__main__":
    sys.exit(main())
