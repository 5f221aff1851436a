"""The web server of the default command, as a real process on a real port."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

PROGRAM = """
import socket, sys, time
from jobdeck import Deck
from jobdeck.web.application import create_app
from jobdeck.web.server import serve

deck = Deck(home=sys.argv[2])
app = create_app(deck)
deck.upgrade_database()

@app.get("/slow")
def slow():
    print("slow begins", flush=True)
    time.sleep(1)
    return "slow but whole"

sys.exit(serve(app, socket.socket(fileno=int(sys.argv[1]))))
"""


class Server:
    """A server process; `log` collects its stderr."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.port = listening.getsockname()[1]
            listening.set_inheritable(True)
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(listening.fileno()), str(folder)],
                pass_fds=[listening.fileno()],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        self.log: list[str] = []
        assert self.process.stderr is not None
        self._reader = threading.Thread(target=self._collect, args=(self.process.stderr,))
        self._reader.start()

    def _collect(self, stream: IO[str]) -> None:
        self.log.extend(stream)

    def ask(self, path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def raw(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            return connection.recv(65536)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(20)
        self._reader.join(20)
        return code


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path)
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.wait()
    for stream in (started.process.stdout, started.process.stderr):
        assert stream is not None
        stream.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_zero_and_without_a_trace(server: Server, number: int) -> None:
    assert server.ask("/healthz")[0] == 200
    assert server.end(number) == 0
    assert not any("Traceback" in line for line in server.log)
    with pytest.raises(ConnectionRefusedError):
        server.ask("/healthz")


def test_what_was_begun_is_finished(server: Server) -> None:
    answers: list[tuple[int, str]] = []
    asking = threading.Thread(target=lambda: answers.append(server.ask("/slow")))
    asking.start()
    assert server.process.stdout is not None
    assert server.process.stdout.readline() == "slow begins\n"
    assert server.end() == 0
    asking.join(20)
    assert answers == [(200, "slow but whole")]


def test_an_idle_connection_does_not_keep_it(server: Server) -> None:
    server.ask("/healthz")
    with socket.create_connection(("127.0.0.1", server.port)):
        began = time.monotonic()
        assert server.end() == 0
    assert time.monotonic() - began < 5


def test_many_slow_requests_do_not_keep_others_waiting(server: Server) -> None:
    server.ask("/healthz")
    asking = [threading.Thread(target=server.ask, args=("/slow",)) for _ in range(20)]
    for thread in asking:
        thread.start()
    assert server.process.stdout is not None
    for _ in asking:
        server.process.stdout.readline()
    began = time.monotonic()
    assert server.ask("/healthz")[0] == 200
    assert time.monotonic() - began < 1
    for thread in asking:
        thread.join(20)


def test_the_log_has_one_line_a_request_whatever_stands_in_it(server: Server) -> None:
    secret = "?token=jdk_secret"
    evil = [
        b"/nowhere%0d%0a2026-01-01T00:00:00.000Z%20INFO%20jobdeck:%20forged",
        b"/%1b[31mred%1b[0m",
        b"/%c2%85next",
        b"/%e2%80%a8line",
        b"/%00nul",
        b"/%ff%fe",
        b"/healthz" + secret.encode(),
    ]
    for path in evil:
        reply = server.raw(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert reply.startswith((b"HTTP/1.1 404", b"HTTP/1.1 200")), reply
    assert server.end() == 0
    assert len(server.log) == len(evil)
    for line in server.log:
        assert re.match(
            r"^[\d-]{10}T[\d:.]{12}Z INFO jobdeck\.web\.access: 127\.0\.0\.1 GET /.* (404|200) \d+ ms\n$",
            line,
        )
        assert line[:-1].isprintable()
    assert "jdk_secret" not in "".join(server.log)


def test_a_large_body_is_refused_in_json(server: Server) -> None:
    status, text = server.ask("/api/jobs", "POST", b"x" * (3 * 1024 * 1024))
    assert (status, text[:14]) == (401, '{"status":401,')
    assert "waitress" not in str(server.raw(b"GET / HTTP/1.0\r\n\r\n"))


def test_nonsense_does_not_end_it(server: Server) -> None:
    for request in (b"\r\n\r\n", b"GET\r\n\r\n", os.urandom(512) + b"\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
    assert server.ask("/healthz")[0] == 200
    assert server.end() == 0
