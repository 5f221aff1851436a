"""Waiting for the fault of a cell, and letting go on what it has stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from functools import partial
from typing import Any

from .cells import SQLITE, Cell
from .ground import LEASE_S, WITHIN_S, Place, Process


def wait_for_fault(place: Place, cell: Cell) -> tuple[int, float]:
    """Until the cell's failpoint has done it: which process, and when (monotonic seconds)."""

    def look() -> Any:
        place.keep_up()
        return place.fired(cell.failpoint)

    found: tuple[int, float] = place.until(look, "the failpoint fires")
    return found


def let_go_on(place: Place, cell: Cell, fired: tuple[int, float], watcher: Process | None = None) -> None:
    """Let what was stopped go on after two leases, of which somebody saw as much as the stop allows."""
    if cell.fault != "stop":
        return
    pid, at = fired
    if watcher is not None:
        with contextlib.suppress(AssertionError):
            # It cannot begin while SQLite's only writer is what was stopped.
            place.until(
                partial(_serves, place, watcher), "it serves", 2 * LEASE_S if cell.stack == SQLITE else WITHIN_S
            )
            at = max(at, time.monotonic())
    victim = next((one for one in place.processes if one.pid == pid), None)
    time.sleep(max(0.0, at + 2 * LEASE_S - time.monotonic()))  # the fault itself
    if victim is not None:
        victim.send(signal.SIGCONT)
    elif pid in place.leftover():
        os.kill(pid, signal.SIGCONT)


def _serves(place: Place, worker: Process) -> bool:
    with place.deck.database.read() as connection:
        found = connection.exec_driver_sql(f"SELECT count(*) FROM jobdeck_worker WHERE pid = {worker.pid}").scalar_one()
    return bool(found)
