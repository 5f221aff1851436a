"""One connection to the broker of a Celery application: messages in bulk, and how many wait.

Nothing here waits for a broker longer than a few seconds. What RabbitMQ has not confirmed was not taken. Neighbour:
`celery_broker` decides when a connection is made and let go of.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from celery import Celery
from kombu import Connection, Producer

from ..core.ring import Ring
from ..core.text import one_line
from ..errors import EngineError

TASK = "jobdeck.execute"
CONNECT_S = 3.0
ANSWER_S = 5.0
AT_ONCE = 200
_REASON_LIMIT = 300
_PERSISTENT = 2
_NOT_FOUND = ("404", 404)

Message = tuple[str, str, Ring]
"""The queue there, the message's id, and the ring."""


class Wire:
    """For one thread at a time. After an EngineError, or a `send` that took less than it was given, make another."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._pid = os.getpid()
        self._declared: set[str] = set()
        self._connection = _connection(app)
        try:
            self._connect()
            self._channel = self._connection.channel()
            producer = Producer(self._channel, auto_declare=False)
            self._outbox = (_Confirmed if self.is_amqp else _Outbox)(self._connection, producer, _headers(app))
        except Exception as error:  # a broker's client may fail in any way
            raise self._failure(error) from error

    @property
    def is_amqp(self) -> bool:
        """Whether the broker confirms what it has taken."""
        return bool(self._connection.transport.driver_type == "amqp")

    def send(self, messages: Sequence[Message]) -> int:
        """Publish these; how many of the first were taken. EngineError when none was."""
        self._outbox.taken = 0
        try:
            for queue in {queue for queue, _, _ in messages} - self._declared:
                self._declare(queue)
            self._outbox.send(messages)
        except Exception as error:  # as above
            if not self._outbox.taken:
                raise self._failure(error) from error
        return self._outbox.taken

    def depth(self, queue: str) -> int | None:
        """How many messages wait in a queue there; None when this broker does not tell. EngineError."""
        if self._connection.transport.driver_type not in ("amqp", "redis"):
            return None
        try:
            channel = self._connection.channel()
            count = self._count(channel, queue)
            # Not when it failed: the same silence would be waited for once more.
            channel.close()
        except Exception as error:  # as above
            raise self._failure(error) from error
        return count

    def close(self) -> None:
        """Let go of it. In a process that was forked meanwhile, its parent's connection stays whole."""
        with contextlib.suppress(Exception):  # it may be broken already, in any way
            if self._pid != os.getpid() and self.is_amqp:
                # The client's own way would shut the connection down for the parent too.
                os.close(self._connection.connection.sock.detach())
            elif self._pid == os.getpid():
                # Without a farewell, which would wait for the answer of a broker that has just given none.
                self._connection.collect(ANSWER_S)

    def _connect(self) -> None:
        """To the first of its addresses that answers."""
        for left in reversed(range(max(len(self._connection.alt), 1))):
            try:
                self._connection.ensure_connection(max_retries=0, timeout=CONNECT_S)
                if self.is_amqp:
                    # Its client waits for most answers without an end.
                    self._connection.connection.sock.settimeout(ANSWER_S)
                # Some only connect when a channel is opened.
                self._connection.channel().close()
            except Exception:  # as above
                if not left:
                    raise
                self._connection.maybe_switch_next()
            else:
                return

    def _count(self, channel: Any, queue: str) -> int:
        try:
            # On Redis there is nothing to declare, and to ask whether there is a queue forgets a global_keyprefix.
            return int(channel.queue_declare(queue=queue, passive=self.is_amqp).message_count)
        except Exception as error:  # as above
            if getattr(error, "code", None) in _NOT_FOUND or getattr(error, "reply_code", None) in _NOT_FOUND:
                return 0
            raise

    def _declare(self, queue: str) -> None:
        # The default exchange leads there by its name; a worker with `-Q` finds it as it would declare it itself.
        self._app.amqp.queues[queue](self._channel).declare()
        self._declared.add(queue)

    def _failure(self, error: Exception) -> EngineError:
        if isinstance(error, EngineError):
            return error
        password = str(self._connection.password or "")
        reason = one_line(str(error) or type(error).__name__, _REASON_LIMIT)
        if password:
            reason = reason.replace(password, "…")
        where = one_line(self._connection.as_uri(mask="…" if password else ""), _REASON_LIMIT).replace("//:@", "//")
        if _is_refusal(error):
            return EngineError(f"The broker {where} does not accept the user name or the password: {reason}")
        return EngineError(f"The broker {where} cannot be used: {reason}")


class _Outbox:
    """Publishes as many at once as the client can; `taken` counts what the broker has of the latest `send`."""

    def __init__(self, connection: Connection, producer: Producer, headers: Mapping[str, Any]) -> None:
        self.taken = 0
        self._connection = connection
        self._producer = producer
        self._headers = headers

    def send(self, messages: Sequence[Message]) -> None:
        """Publish these, in order."""
        for start in range(0, len(messages), AT_ONCE):
            some = messages[start : start + AT_ONCE]
            with self._together():
                for message in some:
                    self._publish(message)
            self.taken += len(some)

    def _together(self) -> AbstractContextManager[Any]:
        batch = getattr(self._producer, "batch", None)  # kombu has it since 5.7
        return contextlib.nullcontext() if batch is None else batch(AT_ONCE)

    def _publish(self, message: Message, **options: Any) -> None:
        queue, number, ring = message
        self._producer.publish(
            json.dumps([[ring.as_data()], {}, _EMBEDDED]),
            # The default exchange leads to each queue by its name, whatever else it is bound to.
            exchange="", routing_key=queue, content_type="application/json", content_encoding="utf-8",
            headers={**self._headers, "id": number, "root_id": number, "argsrepr": ring.queue},
            delivery_mode=_PERSISTENT, correlation_id=number, reply_to="", **options,
        )  # fmt: skip


class _Confirmed(_Outbox):
    """Publishes on a channel that confirms: many under way at once, and none is taken before RabbitMQ has said so."""

    def __init__(self, connection: Connection, producer: Producer, headers: Mapping[str, Any]) -> None:
        super().__init__(connection, producer, headers)
        channel = producer.channel
        channel.confirm_select()
        channel.events["basic_ack"].add(self._acknowledged)
        channel.events["basic_nack"].add(self._refused)
        channel.events["basic_return"].add(self._returned)
        self._sent = 0
        self._open: dict[int, str] = {}
        self._failed: set[str] = set()

    def send(self, messages: Sequence[Message]) -> None:
        """Publish these, in order; EngineError when one is refused."""
        self._failed.clear()
        for start in range(0, len(messages), AT_ONCE):
            some = messages[start : start + AT_ONCE]
            try:
                self._publish_and_wait(some)
            finally:
                self._count(some)
            if self._failed:
                raise EngineError("RabbitMQ did not take every message: its queue is gone or full.")

    def _publish_and_wait(self, some: Sequence[Message]) -> None:
        # The channel numbers what is published on it; what a failure leaves unsent stays open as well.
        self._open = {self._sent + at: number for at, (_, number, _) in enumerate(some, 1)}
        for message in some:
            self._sent += 1
            self._publish(message, mandatory=True, timeout=ANSWER_S)
        while self._open:
            self._connection.drain_events(timeout=ANSWER_S)

    def _count(self, some: Sequence[Message]) -> None:
        missing = self._failed | set(self._open.values())
        self.taken += next((at for at, (_, number, _) in enumerate(some) if number in missing), len(some))

    def _acknowledged(self, tag: int, multiple: bool) -> None:
        for one in [one for one in self._open if one <= tag] if multiple else [tag]:
            self._open.pop(one, None)

    def _refused(self, tag: int, multiple: bool) -> None:
        for one in [one for one in self._open if one <= tag] if multiple else [tag]:
            self._failed.add(self._open.pop(one, ""))

    def _returned(self, error: Exception, exchange: str, routing_key: str, message: Any) -> None:
        self._failed.add(message.properties.get("correlation_id", ""))


_EMBEDDED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def _headers(app: Celery) -> Mapping[str, Any]:
    """Those of a task message in protocol 2, which every worker reads whatever its application sends itself."""
    found = app.amqp.as_task_v2("", TASK, argsrepr="", kwargsrepr="{}", ignore_result=True).headers
    # A worker reads what is missing as None; RabbitMQ's client would write each out, for every message.
    return {name: value for name, value in found.items() if value is not None}


def _connection(app: Celery) -> Connection:
    try:
        # Confirmed here, for many messages at once.
        made = app.connection_for_write(connect_timeout=CONNECT_S, transport_options={"confirm_publish": False})
        if made.transport.driver_type == "redis":
            _limit(made.transport_options)
            if sentinels := made.transport_options.get("sentinel_kwargs"):
                made.transport_options["sentinel_kwargs"] = sentinels = {**sentinels}
                _limit(sentinels)
    except Exception as error:  # an unknown transport, or a client that is not installed
        raise EngineError(f"Celery's broker_url cannot be used: {one_line(str(error), _REASON_LIMIT)}") from error
    return made


def _limit(options: dict[str, Any]) -> None:
    """Have a client of Redis wait no longer than we do, whatever suits the application's workers."""
    for name, limit in (("socket_connect_timeout", CONNECT_S), ("socket_timeout", ANSWER_S)):
        options[name] = min(options.get(name) or limit, limit)


def _is_refusal(error: BaseException | None) -> bool:
    if error is None:
        return False
    named = {kind.__name__ for kind in type(error).__mro__}
    return bool(named & {"AuthenticationError", "AccessRefused"}) or _is_refusal(error.__cause__)
