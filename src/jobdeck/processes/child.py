"""A child: executes the runs it is sent, one after another, until its orders end or it should be replaced."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import NoReturn

from ..contracts import Application
from ..executor.attempt import Workshop
from ..executor.order import Order
from ..executor.page import Page
from ..executor.places import own_process
from ..executor.recorder import RETURNED, Recorder
from .identity import started_ticks

RUNS_LIMIT = 20_000
GROWTH_LIMIT = 256 * 1024 * 1024
_LOOK_EVERY = 64
_TOO_SHORT_TO_START_ONE_NS = 200_000
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def work(
    application: Application, orders: int, messages: int, page_fd: int, *, files_folder: Path, log_level: int
) -> NoReturn:
    """Serve orders read from the descriptor `orders`; never returns."""
    status = 1
    try:
        page, recorder = Page(page_fd), Recorder(messages)
        page.introduce(os.getpid(), started_ticks(os.getpid()) or 0)
        workshop = Workshop(application, recorder, page, files_folder, own_process(log_level))
        fresh = frozenset(one.id for one in application.registry if one.fresh_process)
        _serve(workshop, page, recorder, orders, fresh)
        status = 0
    except BrokenPipeError:
        status = 0  # the supervisor is gone
    finally:
        os._exit(status)


def _serve(workshop: Workshop, page: Page, recorder: Recorder, orders: int, fresh: frozenset[str]) -> None:
    """Until a run needs another process, before it or after it; what stays unbegun is taken back by the supervisor."""
    health = _Health()
    rest = b""
    while chunk := os.read(orders, 1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            order = Order.of_line(line)
            if order.type in fresh and health.has_run:
                return
            now_ns = time.monotonic_ns()
            if not page.begin(order.number, now_ns // 1000):
                recorder.say(RETURNED, order.number)
                continue
            health.begin(now_ns)
            workshop.execute(order)
            if order.type in fresh or health.is_spent():
                return


class _Health:
    """Whether this process is still as good as a new one."""

    def __init__(self) -> None:
        self._runs = 0
        self._begun_ns = 0
        self._base = _resident_bytes()

    @property
    def has_run(self) -> bool:
        """Whether anything was executed here."""
        return self._runs > 0

    def begin(self, now_ns: int) -> None:
        """Before a run (monotonic nanoseconds)."""
        self._begun_ns = now_ns

    def is_spent(self) -> bool:
        """After a run: did it leave threads or subprocesses behind, or have runs added up to too much memory?"""
        self._runs += 1
        if self._runs >= RUNS_LIMIT or threading.active_count() > 1:
            return True
        look = self._runs % _LOOK_EVERY == 1
        if (look or time.monotonic_ns() - self._begun_ns > _TOO_SHORT_TO_START_ONE_NS) and _has_subprocesses():
            return True
        return look and _resident_bytes() - self._base > GROWTH_LIMIT


def _has_subprocesses() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[1]) * _PAGE_BYTES
