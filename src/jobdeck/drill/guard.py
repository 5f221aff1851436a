"""The process that starts a server of the drill: `python -m jobdeck.drill.guard ACCOUNT SIGNAL MARK COMMAND...`.

It ends the server, with everything that has the mark in its environment, as soon as its standard input ends: when the drill says
so, and when the drill has died, however that died.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
from typing import Any

from . import processes
from .servers import as_account

_LOOK_EVERY_S = 0.1
_END_LIMIT_S = 10.0


def guard(account: str, number: int, mark: str, command: list[str]) -> None:
    """Start, wait, end."""
    as_whom: dict[str, Any] = as_account(account) if account else {}
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, **as_whom)
    while server.poll() is None:
        ready, _, _ = select.select([sys.stdin], [], [], _LOOK_EVERY_S)
        if ready:
            server.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(_END_LIMIT_S)
            break
    processes.end_all_told(mark, but=os.getpid())


if __name__ == "__main__":
    _, _account, _number, _mark, *_command = sys.argv
    guard(_account, int(_number), _mark, _command)
