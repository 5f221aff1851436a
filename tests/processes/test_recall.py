"""Taking runs back from a child that works meanwhile: each is executed exactly once."""

from __future__ import annotations

import json
import os
import random
import select
import time
from collections import Counter, deque
from pathlib import Path

from jobdeck.executor.order import Order
from jobdeck.executor.page import Page
from jobdeck.processes.pool_child import PoolChild
from jobdeck.services.holder import Claim

COUNT = 8000


def claim(number: int) -> Claim:
    return Claim(
        id=str(number), tenant="t", fence=1, attempt=1, type="x", function=None, arguments="{}", positional=None,
        timeout_s=None, job_id=None, principal_id=None, principal_name=None, log_seq=0, queue="default",
    )  # fmt: skip


def child_process(orders: int, messages: int, page_fd: int) -> None:
    """What a child does with its orders, without the work."""
    page, rest = Page(page_fd), b""
    while chunk := os.read(orders, 1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            order = Order.of_line(line)
            kind = "e" if page.begin(order.number, 1) else "r"
            os.write(messages, json.dumps([kind, order.number, order.run_id]).encode() + b"\n")


def test_each_run_once_whatever_is_recalled_when(tmp_path: Path) -> None:
    orders_in, orders_out = os.pipe()
    messages_in, messages_out = os.pipe()
    page, page_fd = Page.create(tmp_path / "page")
    pid = os.fork()
    if pid == 0:
        try:
            os.close(orders_out)
            child_process(orders_in, messages_out, page_fd)
        finally:
            os._exit(0)
    os.close(orders_in)
    os.close(messages_out)
    os.set_blocking(orders_out, False)
    os.set_blocking(messages_in, False)
    child = PoolChild(orders_out, messages_in, page, tmp_path / "page")
    child.pid, child.window = pid, 64
    waiting = deque(claim(number) for number in range(COUNT))
    done: Counter[str] = Counter()
    recalled, dice = 0, random.Random(3)
    deadline = time.monotonic() + 30
    while sum(done.values()) < COUNT:
        assert time.monotonic() < deadline
        for _ in range(min(child.room, len(waiting))):
            child.send(waiting.popleft())
        child.flush()
        if dice.random() < 0.5:
            taken = child.recall()
            recalled += len(taken)
            waiting.extendleft(reversed(taken))
        select.select([messages_in], [], [], 0.001)
        for kind, number, _ in child.receive():
            if kind == "e":
                ended = child.pop(number)
                assert ended is not None
                done[ended.id] += 1
            elif (back := child.answered(number)) is not None:
                waiting.appendleft(back)
    os.close(orders_out)
    os.waitpid(pid, 0)
    os.close(messages_in)
    os.close(page_fd)
    page.close()
    assert set(done.values()) == {1} and len(done) == COUNT
    assert recalled > 100
