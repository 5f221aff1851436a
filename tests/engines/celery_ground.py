"""A site with a Celery application of its own, and the processes that serve it: workers, beat, our dispatcher."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from jobdeck import Deck, Run
from jobdeck.core.ring import Ring

from ..conftest import until
from ..servers import Broker

SITE = Path(__file__).with_name("celery_site")
QUIET = ("--without-gossip", "--without-mingle", "--loglevel", "INFO")
LIMIT_S = 60.0


class Ground:
    """Its default queue, `theirs` there, is on Celery; our own workers would serve `own`."""

    def __init__(self, home: Path, server: Broker, database_url: str, **settings: Any) -> None:
        self.home, self.server = home, server
        home.mkdir(parents=True, exist_ok=True)
        self._name = home.name
        told: dict[str, Any] = {
            "home": home,
            "database_url": database_url,
            "celery": "celery_app:app",
            "queues": "default,own",
            "engines": f"default=celery:{self.queue}",
            "ring_patience": 1,
            "lease": 4,
            "stop_grace": 1,
            **settings,
        }
        os.environ |= {"SITE_BROKER": server.url, "SITE_TICKS": str(home / "ticks")}
        self.deck = Deck(job_types=["work"], **told)
        self.deck.upgrade_database()
        assert "note" in self.deck.registry
        # Imported once, when another broker may have been there.
        sys.modules["celery_app"].app.conf.update(broker_url=server.url, broker_transport_options={})
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("JOBDECK_")},
            **{f"JOBDECK_{name.upper()}": str(value) for name, value in told.items()},
            "JOBDECK_JOB_TYPES": "work",
            "PYTHONPATH": str(SITE),
            "SITE_QUEUE": self.queue,
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def queue(self) -> str:
        """What the default queue is called at the broker, which several grounds share."""
        return f"theirs-{self._name}"

    def close(self) -> None:
        """End everything that was started."""
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(15)
        self.deck.close()

    def process(self, *command: str) -> subprocess.Popen[bytes]:
        """Start one of Python's modules."""
        with open(self.home / f"{command[0]}.log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=self.home, env=self._environment, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        self._processes.append(process)
        return process

    def worker(self, *options: str) -> subprocess.Popen[bytes]:
        """A worker of Celery, two at once; ready when this returns."""
        before = self.log("celery").count(" ready.")
        worker = ("celery", "-A", "celery_app", "worker", "-I", "jobdeck.engines.celery", "-c", "2", *QUIET, *options)
        process = self.process(*worker, "-n", f"{time.monotonic_ns()}@%h")
        self.until(lambda: self.log("celery").count(" ready.") > before)
        return process

    def dispatcher(self) -> subprocess.Popen[bytes]:
        """Our dispatcher."""
        return self.process("jobdeck", "dispatcher")

    def log(self, of: str) -> str:
        """What the processes of a module have said so far."""
        path = self.home / f"{of}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self, type_id: str, arguments: dict[str, Any] | None = None, **options: Any) -> Run:
        """Queue a run."""
        return self.deck.runs.start(type_id, arguments or {}, **options)

    def ended(self, *runs: Run) -> list[Run]:
        """These, as soon as they have ended."""
        return [self.until(lambda run=run: (now := self.deck.runs.get(run.id)).is_final and now) for run in runs]

    def ring(self, run: Run, times: int) -> int:
        """Deliver a run's message so many times more."""
        ring = Ring(run_id=run.id, number=1, queue=run.queue)
        return self.deck.engines["celery"].ring([ring] * times)

    def messages(self, run: Run) -> list[str]:
        """What a run has logged."""
        return [entry.message for entry in self.deck.logs.of_run(run.id).entries]

    def until(self, condition: Any, seconds: float = LIMIT_S) -> Any:
        """What the condition gives as soon as that is true."""
        return until(condition, seconds, every=0.03, said=lambda: f"Celery said: {self.log('celery')[-4000:]}")
