"""`jobdeck up` with the example repository, as a process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from jobdeck.drill import processes

from ..conftest import until

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "repository"
_READY = re.compile(r"is ready at http://127\.0\.0\.1:(\d+)/ ")


class Instance:
    """In a home folder of its own, with these settings; `python_path` is where more is imported from. Its `port` is known once it
    was started, and kept.
    """

    def __init__(self, home: Path, python_path: Path | None = None, **settings: str) -> None:
        self.home, self.port = home, 0
        self.log = home.parent / "up.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("JOBDECK_")},
            **({} if python_path is None else {"PYTHONPATH": str(python_path)}),
            **{f"JOBDECK_{name.upper()}": value for name, value in settings.items()},
            "JOBDECK_APP": "repository:create_app",
            "JOBDECK_HOME": str(home),
            "JOBDECK_STOP_GRACE": "1",
        }

    def start(self) -> None:
        """Start it and wait until it serves."""
        self.process = self.spawn(self.log, *_jobdeck("up", "--port", str(self.port)))
        self.port = int(until(self._announced, seconds=30, every=0.1)[1])

    def spawn(self, log: Path, *command: str) -> subprocess.Popen[bytes]:
        """Start a process with the same environment, in the example's folder."""
        with log.open("wb") as file:
            return subprocess.Popen(command, cwd=EXAMPLE, env=self.environment, stdout=file, stderr=file)

    def say(self, *words: str) -> str:
        """What `jobdeck` prints with these words."""
        done = subprocess.run(
            _jobdeck(*words), cwd=EXAMPLE, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start_beside(self, port: int, home: Path) -> str:
        """The one line with which a second start is refused."""
        refused = subprocess.run(
            _jobdeck("up", "--port", str(port)), cwd=EXAMPLE, env={**self.environment, "JOBDECK_HOME": str(home)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (1, "", 1), refused.stderr
        return refused.stderr

    def members(self) -> list[int]:
        """Process ids of everything that was started for its home folder."""
        return processes.of_home(self.home)

    def end(self, number: int = signal.SIGTERM) -> int:
        """The exit code; nothing is left behind."""
        assert self.process is not None
        # Itself, a web server and a scheduler at least.
        assert len(self.members()) >= 3
        self.process.send_signal(number)
        code = self.process.wait(60)
        until(lambda: not self.members())
        return code

    def close(self) -> None:
        """End what a test that failed has left."""
        processes.end_all_of(self.home)
        if self.process is not None:
            self.process.wait(60)

    def ask(self, path: str, body: object = None, method: str | None = None) -> Any:
        """What the REST interface answers."""
        answer = self.open(path, body, method)
        return json.loads(answer.read() or b"null")

    def open(self, path: str, body: object = None, method: str | None = None) -> Any:
        """The same as bytes to read."""
        data = None if body is None else json.dumps(body).encode()
        token = (self.home / "token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        address = path if path.startswith("http") else f"http://127.0.0.1:{self.port}{path}"
        return urllib.request.urlopen(urllib.request.Request(address, data, headers, method=method), timeout=30)

    def ended(self, run: dict[str, Any], seconds: float = 90) -> dict[str, Any]:
        """A run as soon as it has ended."""

        def look() -> Any:
            found = self.ask(f"/api/runs/{run['id']}")
            return found if found["finished_at"] else None

        found: dict[str, Any] = until(look, seconds=seconds, every=0.1)
        return found

    def _announced(self) -> re.Match[str] | None:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        return _READY.search(self.log.read_text())


def _jobdeck(*words: str) -> list[str]:
    return [sys.executable, "-m", "jobdeck", *words]
