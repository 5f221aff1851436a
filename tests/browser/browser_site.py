"""The site that browsers visit in these tests: harmless job types, and ones whose every text is hostile."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from jobdeck import Deck, JobType, LastSuccess, TaskExecutionPartialError, current_run, job_type, track

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg/onload=alert(3)>{{7*7}}</textarea></title>"
# The parts that would do something if they were markup.
log = logging.getLogger("site.exports")


@dataclass
class Contact:
    """Somebody to tell."""

    name: str
    email: str = ""


@job_type(title="Export records")
def export_records(
    serializer: Literal["xml", "json"] = "xml",
    limit: Annotated[int, Field(ge=1, le=1000, description="At most so many records.")] = 20,
    since: LastSuccess = None,
) -> dict[str, object]:
    """Write all records into one archive."""
    for number in track(range(limit)):
        log.info("record %d written", number)
    log.warning("one record has no title")
    with current_run.open_output("records.txt", media_type="text/plain") as out:
        out.write(b"all records")
    return {"records": limit, "serializer": serializer}


@job_type(title="Slow nothing")
def slow_nothing(steps: int = 10_000, seconds: float = 0.02) -> None:
    """Do nothing, slowly."""
    for number in track(range(steps)):
        log.info("step %d", number)
        time.sleep(seconds)


@job_type(title="Wait for a file")
def wait_for(path: str, lines: int = 0) -> None:
    """Log lines, then wait until somebody makes a file."""
    for number in range(lines):
        log.info("line %d of many", number)
    while not Path(path).exists():
        time.sleep(0.02)
    log.info("the file is there")


@job_type(title="Fail")
def fail() -> None:
    """Fail with an exception."""
    raise ValueError("this can never work")


@job_type(title="In parts")
def in_parts(parts: int = 2) -> None:
    """Let sub-runs do it."""
    for _ in range(parts):
        current_run.spawn(export_records, {"limit": 1})


@job_type(title="Never run")
def never_run() -> None:
    """Do nothing."""


@job_type(title="Half of it")
def half() -> None:
    """Do half of it."""
    log.info("\x1b[31mred\x1b[0m in a terminal", extra={"country": "NO"})
    raise TaskExecutionPartialError("3 records had no date", errored_entries_count=3)


@job_type(title="Every field")
def every_field(
    name: Annotated[str, Field(description="Who it is for.", min_length=2)],
    count: Annotated[int, Field(ge=1, le=10)],
    ratio: float = 0.5,
    dry_run: bool = True,
    maybe: bool | None = None,
    at: datetime | None = None,
    pause: timedelta = timedelta(minutes=5),
    tags: list[str] = ["a", "b"],  # noqa: B006  # never changed; a default as authors write them
    contact: Contact | None = None,
    anything: int | str = 3,
) -> dict[str, object]:
    """Take an argument of every kind."""
    return {"count": count, "tags": tags, "pause": pause.total_seconds(), "contact": contact and contact.name}


def hostile(text: str = HOSTILE, number: int = 0) -> dict[str, str]:
    """Say hostile things everywhere."""
    logging.getLogger(HOSTILE).warning("%s", HOSTILE, extra={"extra": HOSTILE})
    current_run.progress(1, 2, HOSTILE)
    with current_run.open_output(HOSTILE.replace("/", "|"), media_type="text/html") as out:
        out.write(HOSTILE.encode())
    if number:
        raise RuntimeError(HOSTILE)
    return {HOSTILE: HOSTILE}


hostile_type = JobType.create(
    "Hostile",
    {
        "type": "object",
        "properties": {
            "text": {"type": "string", "title": HOSTILE, "description": HOSTILE, "default": HOSTILE},
            "number": {"type": "integer", "default": 0},
            "choice": {"type": "string", "enum": [HOSTILE, "b"]},
            "group": {"type": "object", "title": HOSTILE, "properties": {HOSTILE: {"type": "string"}}},
        },
    },
    "hostile",
    hostile,
    HOSTILE,
    HOSTILE,
)


def make_deck() -> Deck:
    """The deck; its home comes from the environment."""
    types = [export_records, slow_nothing, wait_for, fail, in_parts, never_run, half, every_field, hostile_type]
    queues = {"default": "Default", "hostile": HOSTILE, "quiet": "Quiet", "here": "Here"}
    return Deck(job_types=types, queues=queues, engines={"here": "inline"})


deck = make_deck()
