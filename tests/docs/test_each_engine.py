"""The example repository is tried on each engine as the guide has it: its file is written, its commands are run in one shell."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from jobdeck.drill import processes

from ..servers import Redis

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "how-to" / "engines.md"
SECTION = "## The example repository on each engine\n"
BROKER = "localhost:6379"
# Done already, for whoever runs this.
PREPARED = ("cd ", "pip ")


def test_following_the_guide_from_engine_to_engine(redis_server: Redis, tmp_path: Path) -> None:
    redis_server.flush()
    text = GUIDE.read_text().partition(SECTION)[2].replace(BROKER, f"localhost:{redis_server.port}")
    folder = tmp_path / "repository"
    shutil.copytree(ROOT / "examples" / "repository", folder, ignore=shutil.ignore_patterns("__pycache__", "tasks.py"))
    (piece,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (folder / "tasks.py").write_text(piece)
    lines = re.findall(r"^\$ (.*)$", text, re.MULTILINE)
    typed = [line for line in lines if not line.startswith(PREPARED)]
    done = _typed(typed, folder, tmp_path)
    wanted = sum("types run" in line for line in typed)
    assert wanted == 4
    assert (done.returncode, done.stdout.count(" is SUCCESS.")) == (0, wanted), done.stdout
    assert len(re.findall(r"listening on default|\.> default", done.stdout, re.IGNORECASE)) == 2, "RQ, and Celery"


def _typed(lines: list[str], folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """What comes of these lines in a shell that numbers its jobs, as one that people type in does, and ends at the first failure."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBDECK_")}
    environment |= {"PATH": f"{Path(sys.executable).parent}:{environment['PATH']}", "HOME": str(home)}
    environment |= {"JOBDECK_PORT": str(port)}
    try:
        return subprocess.run(
            ["bash", "-emc", "\n".join(lines)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
            check=False,
        )
    finally:
        processes.end_all_told(f"HOME={home}")
