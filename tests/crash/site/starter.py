"""Starts the processes of the matrix: forked from one that has loaded everything, they begin in milliseconds.

Reads `{"arguments": […], "environment": {…}, "output": path}` from stdin, a line each, and answers with the process's id.
The arguments are those of the command `jobdeck`, or `client`.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import Any

import alembic.command  # noqa: F401 - loaded once here, for all that are forked
import psycopg  # noqa: F401 - loaded once here, for all that are forked
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite  # noqa: F401 - loaded once here, for all that are forked

import jobdeck.deck
import jobdeck.processes.run_worker
import jobdeck.store.upgrade  # noqa: F401 - loaded once here, for all that are forked
from jobdeck import Deck, JobdeckError, cli
from jobdeck.processes.identity import die_with_parent


def main() -> None:
    """Serve until stdin ends; what was started ends then, too."""
    # Nobody asks how they ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    me = os.getpid()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become(order, me)
        print(pid, flush=True)


def become(order: dict[str, Any], parent: int) -> None:
    """Be the process that was ordered."""
    status = 1
    try:
        os.setsid()
        die_with_parent(parent)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        out = os.open(order["output"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.environ.clear()
        os.environ.update(order["environment"])
        importlib.import_module("sitecustomize").begin()
        if order["arguments"] == ["client"]:
            client()
            status = 0
        else:
            status = cli.main(order["arguments"])
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        os._exit(status)


def client() -> None:
    """Start two runs; print the id of each as soon as there is a reply."""
    deck = Deck(job_types=["crash_site"])
    for _ in range(2):
        try:
            print("accepted", deck.runs.start("short").id, flush=True)
        except JobdeckError as error:
            print(f"refused: {error}", flush=True)


if __name__ == "__main__":
    main()
