"""Tokens: what an engine delivers to the worker beside it. Each is leave to win one run of its queue.

Deliveries come over a unix stream socket, a connection each, which stays open until that run has left this worker, so that the
engine's own concurrency is respected. The worker's loop reads and writes it. Spoken, a JSON object a line:

  engine → worker  what `Ring.as_data` gives, once; closing before anything is won takes the token back
  worker → engine  {"won": run}, then {"ended": run} · {"nothing": true} · {"error": why there is no worker}
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.ring import Ring
from ..errors import JobdeckError, StoreError
from ..services.claims import Exchange
from ..services.rings import Rings
from .signals import Signals

logger = logging.getLogger(__name__)

LINE_LIMIT = 1024
LOOKS = 3
LOOK_AGAIN_S = 0.03
CONNECTIONS_LIMIT = 512
REFUSING_S = 2.0
_BACKLOG = 1024
_PAUSE_S = 1.0

Key = tuple[str, int]


@dataclass(slots=True, eq=False)
class _Token:
    """A connection, what it has said, and the ring that it brought."""

    connection: socket.socket
    heard: bytes = b""
    ring: Ring | None = None
    looks: int = 0
    look_at: float = 0.0


class Tokens:
    """The tokens of one worker, heard whenever `selector` says so; `rings` is told of those that won nothing."""

    def __init__(self, listener: socket.socket, selector: selectors.BaseSelector, rings: Rings) -> None:
        self._listener = listener
        self._selector = selector
        self._rings = rings
        self._open: set[_Token] = set()
        self._waiting: list[_Token] = []
        self._tied: dict[Key, _Token] = {}
        self._unlucky: list[_Token] = []
        self._accept_at = math.inf
        selector.register(listener, selectors.EVENT_READ, self._accept)

    # What the worker asks and tells

    def room(self, now: float) -> Counter[str]:
        """How many runs of which queue may be claimed now."""
        return Counter(token.ring.queue for token in self._waiting if token.ring and token.look_at <= now)

    @property
    def look_at(self) -> float:
        """When there is something to be claimed for (monotonic seconds)."""
        return min((token.look_at for token in self._waiting), default=math.inf)

    def looked(self, done: Exchange, wanted: int, now: float) -> None:
        """Tie runs that were won to tokens; those for which there was none look again soon, or give up."""
        for claim in done.won:
            token = next((one for one in self._waiting if one.ring and one.ring.queue == claim.queue), None)
            if token is not None:
                self._waiting.remove(token)
                self._tied[claim.id, claim.fence] = token
                self._answer(token, "won", claim.id)
        if len(done.won) >= wanted:
            return
        # A run may be locked for a moment, by whoever rings for it.
        for token in [one for one in self._waiting if one.look_at <= now]:
            token.look_at = now + LOOK_AGAIN_S
            token.looks += not done.busy
            if token.looks >= LOOKS:
                self._waiting.remove(token)
                self._unlucky.append(token)

    def tend(self, held: Collection[Key], now: float, *, is_ending: bool) -> None:
        """Answer the tokens whose run is not among `held` any more, and those that won nothing; all, when the worker ends.

        StoreError: the latter are answered the next time.
        """
        if now >= self._accept_at:
            self._resume()
        for key in [key for key in self._tied if key not in held]:
            token = self._tied.pop(key)
            self._answer(token, "ended", key[0])
            self._close(token)
        if is_ending and self._waiting:
            self._dismiss(self._waiting, self._rings.back)
        if self._unlucky:
            self._dismiss(self._unlucky, self._rings.spent)

    @property
    def due_at(self) -> float:
        """When `tend` has something to do, whatever happens meanwhile (monotonic seconds)."""
        return 0.0 if self._unlucky else self._accept_at

    # Connections

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:
            logger.warning("a delivery of an engine has to wait: %s", error)
            self._pause()
            return
        connection.setblocking(False)
        token = _Token(connection)
        self._open.add(token)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._hear(token))
        if len(self._open) >= CONNECTIONS_LIMIT:
            self._pause()
        self._hear(token)

    def _hear(self, token: _Token) -> None:
        try:
            heard = token.connection.recv(LINE_LIMIT)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        if not heard:
            self._close(token)
        elif token.ring is None:
            token.heard += heard
            self._read(token)

    def _read(self, token: _Token) -> None:
        line, end, _ = token.heard.partition(b"\n")
        if not end and len(line) <= LINE_LIMIT:
            return
        try:
            token.ring = Ring.of_data(json.loads(line))
        except (ValueError, RecursionError):
            logger.warning("what came as a delivery of an engine is no ring: %.100r", line)
            self._close(token)
        else:
            self._waiting.append(token)

    def _answer(self, token: _Token, word: str, value: object) -> None:
        if token in self._open and not _tell(token.connection, word, value):
            self._close(token)

    def _close(self, token: _Token) -> None:
        if token in self._open:
            self._open.remove(token)
            self._selector.unregister(token.connection)
            token.connection.close()
            if self._accept_at < math.inf:
                self._accept_at = 0.0
        if token in self._waiting:
            self._waiting.remove(token)

    def _dismiss(self, tokens: list[_Token], tell: Callable[[Sequence[Ring], int], None]) -> None:
        """Answer tokens that won nothing, once that is noted."""
        tell([token.ring for token in tokens if token.ring], time.time_ns() // 1000)
        gone = list(tokens)
        tokens.clear()
        for token in gone:
            self._answer(token, "nothing", True)
            self._close(token)

    def _pause(self) -> None:
        self._selector.unregister(self._listener)
        self._accept_at = time.monotonic() + _PAUSE_S

    def _resume(self) -> None:
        if len(self._open) < CONNECTIONS_LIMIT:
            self._accept_at = math.inf
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        else:
            self._accept_at = time.monotonic() + _PAUSE_S


@contextlib.contextmanager
def deliveries(path: Path | None, signals: Signals) -> Iterator[socket.socket | None]:
    """A socket that listens at `path` from now on, for `Tokens`; nothing without a path. StoreError when that cannot be.

    When the block fails, whoever comes within two seconds is told why there is no worker.
    """
    if path is None:
        yield None
        return
    listener = _listen(path)
    try:
        yield listener
    except JobdeckError as error:
        _refuse(listener, str(error), signals)
        raise
    finally:
        # Whoever waits still is left without an answer, and comes to the next worker.
        path.unlink(missing_ok=True)
        listener.close()


def _listen(path: Path) -> socket.socket:
    """A socket that hears, under its name only when it does."""
    new = path.with_name(f".{path.name}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        new.unlink(missing_ok=True)
        listener.bind(os.fspath(new))
        listener.listen(_BACKLOG)
        new.rename(path)
    except OSError as error:
        listener.close()
        raise StoreError(f"{path} cannot be listened at: {error.strerror or error}.") from None
    listener.setblocking(False)
    return listener


def _tell(connection: socket.socket, word: str, value: object) -> bool:
    """Say one line; whether it was taken. Nobody is waited for who does not read so little."""
    line = json.dumps({word: value}).encode() + b"\n"
    with contextlib.suppress(OSError):
        return connection.send(line) == len(line)
    return False


def _refuse(listener: socket.socket, reason: str, signals: Signals) -> None:
    told = []
    until = time.monotonic() + REFUSING_S
    with selectors.DefaultSelector() as selector:
        for one in (listener, signals):
            selector.register(one, selectors.EVENT_READ)
        while (left := until - time.monotonic()) > 0 and not signals.stops:
            selector.select(left)
            signals.drain()
            with contextlib.suppress(BlockingIOError):
                connection, _ = listener.accept()
                _tell(connection, "error", reason)
                # Closed later: what a closed socket has not read would be an error to who has sent it.
                told.append(connection)
    for connection in told:
        connection.close()
