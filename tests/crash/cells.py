"""The cells of the matrix: which fault at which failpoint, on which stack, with which runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jobdeck.testing.points import POINTS

SQLITE, POSTGRESQL, TWO_HOSTS = "sqlite", "postgresql", "two-hosts"
STACKS = (SQLITE, POSTGRESQL, TWO_HOSTS)
"""`two-hosts`: PostgreSQL, and the victim says that it lives on another host, so that heartbeats alone tell of it."""
FAULTS = ("kill_tree", "kill", "stop", "raise", "drop")


@dataclass(frozen=True, slots=True)
class Load:
    """One run; `stopped`: as soon as its body has begun it is asked to stop."""

    type: str
    arguments: dict[str, Any] = field(default_factory=dict)
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault at one failpoint on one stack; `besides` are failpoints that bring the victim there."""

    failpoint: str
    fault: str
    stack: str
    besides: str = ""

    def __str__(self) -> str:
        return f"{self.failpoint}-{self.fault}-{self.stack}"

    @property
    def area(self) -> str:
        return self.failpoint.partition(".")[0]

    @property
    def load(self) -> tuple[Load, ...]:
        return LOADS.get(self.failpoint, USUAL)

    @property
    def specification(self) -> str:
        return ";".join(filter(None, (f"{self.failpoint}={self.fault}", self.besides)))

    @property
    def is_zombie(self) -> bool:
        """Whether a worker goes on that was taken for dead, and knows nothing of it."""
        return (
            self.fault == "stop" and (self.stack, self.area) == (TWO_HOSTS, "worker") and self.failpoint not in IN_CHILD
        )

    @property
    def unsent(self) -> bool:
        """Whether the victim has sent no run to a child when it gets there."""
        return self.failpoint in UNSENT


SHORT, AGAIN, TALK = Load("short"), Load("again"), Load("talk")
SLOW = Load("slow", {"seconds": 0.5})
USUAL = (SHORT, AGAIN, SHORT, SHORT)
LOADS = {
    "worker.child_running": (SLOW, SHORT, AGAIN, SHORT),
    "worker.before_heartbeat": (SLOW, AGAIN, SHORT),
    "worker.after_hb_commit_before_reply": (SLOW, AGAIN, SHORT),
    "worker.log_before_tx": (TALK, SHORT),
    "worker.log_after_commit": (TALK, SHORT),
    "worker.artefact_written_before_finalise": (TALK, SHORT),
    "worker.child_exited_before_complete": (Load("leave"), SHORT, SHORT),
    "worker.after_retry_commit": (AGAIN, AGAIN),
    "worker.after_spawn_commit_before_reply": (Load("parent"), SHORT),
    "worker.after_entries_commit_before_reply": (Load("parent"), SHORT),
    "worker.after_subrun_commit_before_reply": (Load("parent"), SHORT),
    "worker.cancel_seen_before_kill": (Load("deaf", stopped=True), SHORT),
    "worker.cancel_after_kill_before_complete": (Load("deaf", stopped=True), SHORT),
    "worker.self_fence_before_kill": (Load("slow", {"seconds": 1.2}), SHORT),
    "reaper.after_observe": (SLOW, SHORT, SLOW),
    "reaper.in_rescue_tx": (SLOW, SHORT, SLOW),
    "reaper.after_rescue_commit": (SLOW, SHORT, SLOW),
}
UNSENT = (
    "worker.before_claim",
    "worker.in_claim_tx",
    "worker.after_claim_commit_before_reply",
    "worker.after_claim_before_spawn",
)
IN_CHILD = (
    "worker.begun_before_body",
    "worker.body_returned_before_outcome",
    "worker.artefact_written_before_finalise",
)
LATE = ("worker.child_running", "worker.before_complete_tx", "worker.in_complete_tx")
"""Where a worker that is stopped holds runs, and has something to say about them as soon as it goes on"""
ONE_PROCESS = ("enqueue", "housekeeping", "scheduler")
BESIDES = {"worker.self_fence_before_kill": "worker.before_heartbeat=raise:1000"}


def why_not(failpoint: str, fault: str, stack: str) -> str | None:
    """Why a cell cannot exist."""
    area = failpoint.partition(".")[0]
    reasons = (
        (fault == "drop" and stack == SQLITE, "a file has no connection that could end"),
        (fault == "drop" and failpoint in IN_CHILD, "a child has no connection of jobdeck's"),
        (fault == "kill_tree" and area in ONE_PROCESS, "one process is all there is: `kill`"),
        (stack == TWO_HOSTS and area in ONE_PROCESS, "no worker is a victim"),
        (failpoint == "worker.self_fence_before_kill" and stack == SQLITE, "on one host nobody has to stop by itself"),
        (failpoint == "worker.self_fence_before_kill" and fault == "drop", "it is reached without a connection"),
    )
    return next((reason for is_so, reason in reasons if is_so), None)


def every_cell() -> Iterator[Cell]:
    for failpoint in POINTS:
        for stack in STACKS:
            for fault in FAULTS:
                if why_not(failpoint, fault, stack) is None:
                    yield Cell(failpoint, fault, stack, BESIDES.get(failpoint, ""))


REPRESENTATIVES: dict[str, tuple[str | None, str | None, str | None]] = {
    "enqueue.before_tx": ("raise", "kill", None),
    "enqueue.after_run_insert": ("kill", "drop", None),
    "enqueue.after_commit_before_reply": ("kill", "raise", None),
    "worker.before_claim": ("kill_tree", "drop", None),
    "worker.in_claim_tx": ("kill_tree", "drop", "stop"),
    "worker.after_claim_commit_before_reply": ("raise", "raise", None),
    "worker.after_claim_before_spawn": ("kill_tree", "kill", "stop"),
    "worker.begun_before_body": ("kill", "kill_tree", None),
    "worker.child_running": ("kill_tree", "kill", "stop"),
    "worker.before_heartbeat": ("stop", "drop", None),
    "worker.after_hb_commit_before_reply": ("kill_tree", "raise", None),
    "worker.log_before_tx": ("raise", "drop", None),
    "worker.log_after_commit": ("raise", "kill_tree", None),
    "worker.artefact_written_before_finalise": ("kill_tree", "kill", None),
    "worker.body_returned_before_outcome": ("kill", "kill_tree", None),
    "worker.child_exited_before_complete": ("kill_tree", "kill_tree", None),
    "worker.before_complete_tx": ("raise", "kill_tree", "stop"),
    "worker.in_complete_tx": ("kill_tree", "drop", None),
    "worker.after_complete_commit_before_reply": ("raise", "raise", None),
    "worker.after_complete": ("kill", "kill_tree", None),
    "worker.after_spawn_commit_before_reply": ("raise", "kill_tree", None),
    "worker.after_entries_commit_before_reply": ("raise", "kill_tree", None),
    "worker.after_subrun_commit_before_reply": ("raise", "raise", None),
    "worker.after_retry_commit": ("raise", "raise", None),
    "worker.cancel_seen_before_kill": ("kill_tree", "stop", None),
    "worker.cancel_after_kill_before_complete": ("kill_tree", "kill", None),
    "worker.self_fence_before_kill": (None, None, "stop"),
    "reaper.after_observe": ("kill_tree", None, "kill"),
    "reaper.in_rescue_tx": ("kill_tree", "drop", "stop"),
    "reaper.after_rescue_commit": ("raise", "kill_tree", None),
    "scheduler.after_select": ("kill", "stop", None),
    "scheduler.after_fire_insert": ("kill", "drop", None),
    "scheduler.after_run_insert": ("stop", "kill", None),
    "scheduler.after_commit": ("raise", "kill", None),
    "scheduler.mid_misfire_batch": ("kill", "raise", None),
    "housekeeping.retain_mid_batch": ("kill", "drop", None),
    "housekeeping.retain_rows_before_files": ("kill", "kill", None),
    "housekeeping.migrate_between_steps": ("kill", "kill", None),
}


def representative_cells() -> Iterator[Cell]:
    chosen = {
        (failpoint, fault, stack)
        for failpoint, faults in REPRESENTATIVES.items()
        for stack, fault in zip(STACKS, faults, strict=True)
    }
    return (cell for cell in every_cell() if (cell.failpoint, cell.fault, cell.stack) in chosen)
