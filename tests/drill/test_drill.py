"""The drill itself, through the command line: it passes, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from jobdeck.drill.history import MUSTS

FAULTS = {
    "kill_tree", "kill_supervisor", "kill_template", "kill_child", "freeze", "shutdown",
    "kill_scheduler", "freeze_scheduler", "shutdown_scheduler",
}  # fmt: skip
KEYS = {
    "accepted", "final", "lost", "stuck", "doubled_outcomes", "doubled_effects", "stale_attempted", "stale_rejected",
    "started_after_stop", "illegal_transitions", "limit_overlaps", "rescue_p50_s", "rescue_max_s", "hits", "musts",
    "statuses", "seed", "seconds", "database", "ticks_planned", "ticks_fired", "ticks_caught_up", "ticks_skipped",
    "ticks_missed", "ticks_missing", "ticks_duplicate", "engine", "rings_sent", "rung_again", "rering_p50_s", "rering_max_s",
    "ring_patience_s", "deliveries_fenced", "unserved",
}  # fmt: skip


RUN = "import sys; from jobdeck.cli import main; sys.exit(main())"


def start(folder: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    """`jobdeck drill` with its scratch folder below `folder`."""
    return subprocess.Popen(
        [sys.executable, "-m", "jobdeck", "drill", *words],
        env={**os.environ, "TMPDIR": str(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def serving(folder: Path) -> list[int]:
    """Processes that serve what is below `folder`."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            told = (place / "environ").read_bytes()
            if any(f"{name}={folder}/".encode() in told for name in ("JOBDECK_HOME", "JOBDECK_DRILL_SERVER")):
                found.append(int(place.name))
    return found


def databases(address: str) -> list[str]:
    with psycopg.connect(f"{address}/postgres") as connection:
        return [name for (name,) in connection.execute("SELECT datname FROM pg_database WHERE datname LIKE '%drill%'")]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_short_drill_passes(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    address = request.getfixturevalue("postgresql") if kind == "postgresql" else None
    words = ["--database", f"{address}/postgres"] if address else []
    # What is set for another instance must not count.
    process = start(tmp_path, "--seconds", "6", "--seed", "4", "--json", *words, JOBDECK_QUEUES="elsewhere")
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, f"{out}\n{err}"
    told = json.loads(out)
    assert told.keys() >= KEYS
    assert (told["seed"], told["seconds"], told["database"]) == (4, 6, kind)
    assert told["accepted"] == told["final"] > 20
    assert told["stale_attempted"] == told["stale_rejected"]
    assert told["hits"].keys() == FAULTS | (
        {"cut_connections", "freeze_elsewhere", "cut_scheduler"} if address else set()
    )
    assert all(told["hits"].values())
    assert told["musts"] == dict.fromkeys(
        [*MUSTS, "unserved", "unprompted_ends", "leftovers", "complaints", "hits"], True
    )
    accounted_for = [told[f"ticks_{kind}"] for kind in ("fired", "caught_up", "skipped", "missed")]
    assert told["ticks_planned"] == sum(accounted_for)
    assert told["ticks_fired"] > 20 and told["ticks_skipped"] > 10
    assert sum(told["statuses"].values()) >= told["accepted"]
    assert "seed 4" in err
    assert (list(tmp_path.iterdir()), serving(tmp_path)) == ([], [])
    if address:
        assert databases(address) == []


@pytest.mark.parametrize(
    ("number", "words", "many"),
    [
        (signal.SIGTERM, [], 8),
        (signal.SIGKILL, [], 8),
        pytest.param(
            signal.SIGKILL,
            ["--engine", "celery-rabbitmq", "--database", "postgresql"],
            30,
            marks=pytest.mark.long,
        ),
    ],
)
def test_nothing_serves_on_when_it_is_ended(
    number: signal.Signals, words: list[str], many: int, open_folder: Path, until: Callable[..., object]
) -> None:
    process = start(open_folder, "--seconds", "60", *words)
    until(lambda: len(serving(open_folder)) > many or process.poll() is not None, 150, 0.25)
    assert process.poll() is None, process.communicate()
    time.sleep(0.5)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == (130 if number is not signal.SIGKILL else -signal.SIGKILL)
    until(lambda: serving(open_folder) == [], 60, 0.25)
    if number is not signal.SIGKILL:
        assert list(open_folder.iterdir()) == []


def refusal(folder: Path, *words: str) -> str:
    process = start(folder, *words)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    told = [line for line in err.splitlines() if "drill with seed" not in line]
    assert len(told) == 1, err
    assert list(folder.iterdir()) == []
    return told[0]


def test_it_refuses_a_server_on_which_it_may_make_no_database(tmp_path: Path, postgresql: str) -> None:
    with psycopg.connect(f"{postgresql}/postgres", autocommit=True) as connection:
        connection.execute("CREATE ROLE drill_guest LOGIN NOCREATEDB")
    try:
        guest = postgresql.replace("jobdeck@", "drill_guest@")
        told = refusal(tmp_path, "--database", f"{guest}/postgres")
        assert told == "jobdeck: The drill cannot make its scratch database there: permission denied to create database"
    finally:
        with psycopg.connect(f"{postgresql}/postgres", autocommit=True) as connection:
            connection.execute("DROP ROLE drill_guest")


def test_it_refuses_a_server_that_is_not_there(tmp_path: Path) -> None:
    told = refusal(tmp_path, "--database", "postgresql://jobdeck@127.0.0.1:1/postgres")
    assert told.startswith("jobdeck: The drill cannot make its scratch database there: ")


@pytest.mark.parametrize(
    ("words", "program"),
    [
        (("--database", "postgresql"), "PostgreSQL"),
        (("--engine", "rq"), "redis-server"),
        (("--engine", "celery-redis"), "redis-server"),
        (("--engine", "celery-rabbitmq"), "rabbitmq-server"),
    ],
)
def test_it_says_which_server_is_not_installed(words: tuple[str, ...], program: str, tmp_path: Path) -> None:
    bare = f"from pathlib import Path; Path.glob = lambda *_: []; {RUN}"
    done = subprocess.run(
        [sys.executable, "-c", bare, "drill", *words], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "TMPDIR": str(tmp_path), "PATH": str(tmp_path)},
    )  # fmt: skip
    told = [line for line in done.stderr.splitlines() if "drill with seed" not in line]
    assert (done.returncode, len(told)) == (1, 1), done.stderr
    assert told[0].startswith(f"jobdeck: {program} is not installed here")
    assert list(tmp_path.iterdir()) == []


def test_it_refuses_a_file_of_somebody_elses(tmp_path: Path) -> None:
    told = refusal(tmp_path, "--database", "sqlite:///mine.db")
    assert told == "jobdeck: The drill makes its own SQLite file; --database takes postgresql://…."
