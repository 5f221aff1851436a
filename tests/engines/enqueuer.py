"""Enqueues what it is told to, each run in a process of its own, which thereby executes it: `python enqueuer.py SOCKET`.

Each connection to the socket brings one JSON object: type, arguments, options. A try that has to wait begins with the next run
that is enqueued after that; so one is.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from typing import Any

from jobdeck import Deck, Status


def enqueue(deck: Deck, told: dict[str, Any]) -> None:
    run = deck.runs.start(told["type"], told["arguments"], **told["options"])
    while (now := deck.runs.get(run.id)).status is Status.QUEUED and now.attempt:
        time.sleep(0.1)
        deck.enqueue("time:time", queue=now.queue)


def main(path: str) -> None:
    deck = Deck()
    assert "note" in deck.registry
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile() as lines:
                told = json.loads(lines.readline())
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                deck.after_fork()
                enqueue(deck, told)
                deck.close()
                os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
