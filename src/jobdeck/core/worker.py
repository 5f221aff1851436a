"""A worker: one supervising process that claims runs and has them executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from .engine import DATABASE


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRun:
    """A run that a worker executes, and since when. `title` is its own, `job_id` may have another."""

    id: str
    title: str | None
    job_id: str | None
    type: str | None
    function: str | None
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """`id` is new at every start; `boot_id`, `pid` and `pid_started` name the process on its host.

    `types` are the ids of the job types it knows; `stale_writes` counts what it said about runs that it held no more. `pages` is the
    folder of its children's pages. `engine` carries the runs to it. `busy` of its `processes` are at work, at `holds`: the first
    of them.
    """

    id: str
    host: str
    pid: int
    pid_started: int
    boot_id: str
    engine: str = DATABASE
    queues: tuple[str, ...]
    types: tuple[str, ...]
    processes: int
    started_at: datetime
    seen_at: datetime
    stale_writes: int = 0
    pages: str | None = None
    busy: int = 0
    holds: tuple[HeldRun, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerInfo:
    """A scheduler: the process that turns planned times into runs. `tzdata` is the version of its time zone data."""

    id: str
    host: str
    pid: int
    tzdata: str
    started_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatcherInfo:
    """A dispatcher: the process that rings engines. `problems` says of each engine that cannot be rung why, `depths` how many
    messages wait there for a queue, as far as the engine tells.
    """

    id: str
    host: str
    pid: int
    engines: tuple[str, ...]
    problems: Mapping[str, str]
    depths: Mapping[str, int]
    started_at: datetime
    seen_at: datetime
