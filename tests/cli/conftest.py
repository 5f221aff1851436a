"""A home of its own for every test, a module of job types, and the command line run within this process."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobdeck import Deck
from jobdeck.cli import main
from jobdeck.core.outcome import Outcome, OutcomeKind
from jobdeck.services.claims import Claims, Report
from jobdeck.services.holder import Claim, Holder

JOB_TYPES = '''
from typing import Literal

from jobdeck import LastSuccess, job_type


@job_type(title="Greet people")
def greet(name: str, times: int = 1, tone: Literal["kind", "gruff"] = "kind", loud: bool = False,
          since: LastSuccess = None, tags: list[str] | None = None, ratio: float | None = None) -> str:
    """Say hello."""
    return name * times


@job_type(title="Wake up")
def wake() -> None:
    """Ring."""
'''


# A terminal's Ctrl-C reaches only processes whose terminal it is.
TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line on stderr of a command that failed and printed nothing else."""
        assert (self.out, self.err.count("\n"), self.err[:9]) == ("", 1, "jobdeck: "), (self.out, self.err)
        return self.err[9:-1]


Cli = Callable[..., Answer]


@pytest.fixture(scope="session")
def job_types(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the module `cli_sample_jobs`, importable here and in subprocesses."""
    folder = tmp_path_factory.mktemp("job_types")
    (folder / "cli_sample_jobs.py").write_text(JOB_TYPES)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, job_types: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder, named in the environment together with the job types."""
    for name in os.environ:
        if name.startswith("JOBDECK_") and not name.startswith("JOBDECK_TEST"):
            monkeypatch.delenv(name)
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "PYTHONIOENCODING"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    monkeypatch.setenv("JOBDECK_HOME", str(folder))
    monkeypatch.setenv("JOBDECK_JOB_TYPES", "cli_sample_jobs")
    monkeypatch.setenv("PYTHONPATH", str(job_types))
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    return folder


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs one command in this process."""

    def run(*arguments: str) -> Answer:
        capfd.readouterr()
        code = main(arguments)
        sys.stdout.flush()
        out, err = capfd.readouterr()
        return Answer(code, out, err)

    return run


@pytest.fixture
def ready(cli: Cli, home: Path, with_tables: Callable[[Path], Path]) -> Cli:
    """The same, with the tables made."""
    with_tables(home)
    return cli


@pytest.fixture
def deck(ready: Cli) -> Iterator[Deck]:
    """A deck on the same database, to look behind the command line."""
    with closing(Deck()) as opened:
        yield opened


@dataclass(frozen=True, slots=True)
class StandIn:
    """Says about a run what a worker says."""

    deck: Deck
    claims: Claims

    def begin(self, run_id: str) -> Claim:
        """Win the claim of the oldest queued run, which must be this one."""
        (claim,) = self.claims.exchange(Report(), 1, time.time_ns() // 1000).won
        assert claim.id == run_id
        now_us = time.time_ns() // 1000
        self.claims.exchange(Report(begun=[(claim, now_us, os.getpid())]), 0, now_us)
        return claim

    def log(self, claim: Claim, *lines: tuple[int, str]) -> None:
        """(level number, message) lines."""
        report, now_us = Report(), time.time_ns() // 1000
        for level, message in lines:
            claim.log_seq += 1
            report.log_entries.append(
                (claim.id, claim.log_seq, claim.tenant, claim.attempt, now_us, level, "tests", message, "{}")
            )
        report.log_heads[claim.id] = (claim.log_seq, claim.id, "stand-in", claim.fence, claim.log_seq - len(lines))
        self.claims.exchange(report, 0, now_us)

    def end(self, claim: Claim, kind: OutcomeKind = OutcomeKind.SUCCESS, **told: Any) -> None:
        """The attempt is over."""
        now_us = time.time_ns() // 1000
        outcome = Outcome(kind=kind, started_us=now_us - 2_000_000, ended_us=now_us, **told)
        self.claims.exchange(Report(ended=[(claim, outcome)]), 0, now_us)


@pytest.fixture
def worker(deck: Deck) -> StandIn:
    holder = Holder(id="stand-in", host="here", boot_id="boot")
    return StandIn(deck, Claims(deck.database, holder, list(deck.settings.queues), [one.id for one in deck.registry]))


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the real program; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **options}
        process = subprocess.Popen([sys.executable, "-m", "jobdeck", *arguments], **{"text": True, **pipes})
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr, process.stdin):
            if stream is not None:
                stream.close()


@pytest.fixture
def on_terminal() -> Callable[..., tuple[int, str]]:
    """Runs the real program on a terminal of 80 columns, answers its question, and returns exit code and screen."""

    def run(*arguments: str, answer: str = "") -> tuple[int, str]:
        ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LC_ALL": "C.UTF-8"}
        process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, sys.executable, "-m", "jobdeck", *arguments],
            stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        screen, given, deadline = b"", "", time.monotonic() + 30
        try:
            while time.monotonic() < deadline:
                if select.select([ours], [], [], 1)[0]:
                    screen += os.read(ours, 65536)
                elif given == "\x03":
                    # A key that comes between a prompt and the wait for keys is noticed with the next one only.
                    os.write(ours, given.encode())
                if answer and b"[y/N]: " in screen:
                    os.write(ours, answer.encode())
                    given, answer = answer, ""
        except OSError:  # the other end of a terminal is gone
            return process.wait(30), screen.decode().replace("\r\n", "\n")
        finally:
            os.close(ours)
            process.kill()
            process.wait()
        raise AssertionError(f"The program did not end; it showed {screen!r}")

    return run
