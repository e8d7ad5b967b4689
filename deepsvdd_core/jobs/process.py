"""The engine's own process: started with the server, and ended with it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from distributed import Security

PATIENCE = 20  # seconds the process gets to end by itself


def start(lanes: Sequence[str]) -> subprocess.Popen:
    """A new process, which takes a few seconds to be ready."""
    return subprocess.Popen(
        [sys.executable, "-m", "deepsvdd_core.engine", *lanes],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"DASK_LOGGING__DISTRIBUTED": "critical"},
        cwd=Path(__file__).parents[2],
        start_new_session=True,  # so that all it starts can be ended together
    )


def address(process: subprocess.Popen) -> tuple[str, Security]:
    """Where its scheduler is found, and the key of this run; waits until it is ready.

    Raises:
        RuntimeError: it ended before.
    """
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("its process ended at once; its log says why")
    said = json.loads(line)
    security = Security(
        require_encryption=True,
        tls_ca_file=said["certificate"],
        tls_client_key=said["key"],
        tls_client_cert=said["certificate"],
    )
    return said["address"], security


def end(process: subprocess.Popen, *, is_ready: bool) -> None:
    """Let it end, and make it end when it does not, or still starts and would not hear of it."""
    process.stdin.close()
    try:
        process.wait(PATIENCE if is_ready else 0)
    except subprocess.TimeoutExpired:
        process.kill()
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
