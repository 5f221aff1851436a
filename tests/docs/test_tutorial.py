"""The tutorial is followed to the letter: its files are written, its commands run, its outputs compared."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
_BLOCK = re.compile(r"^```(?P<kind>python|console)(?P<options>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A command and what it should print; `…` stands for anything."""

    command: str
    expected: str


def steps(text: str) -> list[Step]:
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [Step(command=head, expected=rest.strip()) for head, _, rest in (part.partition("\n") for part in parts)]


def fits(expected: str, found: str) -> bool:
    for line in filter(None, map(str.strip, expected.splitlines())):
        if not re.search(".*".join(re.escape(part.strip()) for part in line.split("…")), found, re.DOTALL):
            return False
    return True


def test_following_the_tutorial(tmp_path: Path, until: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBDECK_")}
    environment |= {"PATH": f"{Path(sys.executable).parent}:{environment['PATH']}", "JOBDECK_PORT": str(port)}
    environment |= {"COLUMNS": "200"}
    log = tmp_path / "up.log"
    background: list[subprocess.Popen[bytes]] = []
    followed = 0
    try:
        for block in _BLOCK.finditer(TUTORIAL.read_text()):
            name = re.search(r"file=(\S+)", block["options"])
            if block["kind"] == "python":
                assert name is not None, "every piece of Python in the tutorial is a file"
                (tmp_path / name[1]).write_text(block["text"])
                continue
            for step in steps(block["text"]):
                if step.command.startswith("export "):
                    variable, _, value = step.command.removeprefix("export ").partition("=")
                    environment[variable] = value
                    continue
                if "background" in block["options"]:
                    with log.open("wb") as out:
                        command = step.command.split()
                        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=out, stderr=out)
                    background.append(process)
                    until(lambda: "is ready at" in log.read_text(), seconds=60)
                    found = log.read_text().replace(f":{port}", ":8000")
                else:
                    done = subprocess.run(
                        ["bash", "-c", step.command],
                        cwd=tmp_path,
                        env=environment,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        text=True,
                        timeout=120,
                        check=False,
                    )
                    assert done.returncode == 0, f"$ {step.command}\n{done.stdout}"
                    found = done.stdout
                assert fits(step.expected, found), f"$ {step.command}\n{found}"
                followed += 1
    finally:
        for process in background:
            process.send_signal(signal.SIGTERM)
        ends = [process.wait(60) for process in background]
    assert ends == [0]
    assert followed >= 10
