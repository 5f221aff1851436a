"""The brokers of these tests: up, killed, up again with what they keep."""

from __future__ import annotations

import amqp  # type: ignore[import-untyped]  # it has no types

from ..servers import RabbitMQ, Redis


def test_redis_forgets_when_it_is_killed(redis_server: Redis) -> None:
    with redis_server.client() as client:
        client.set("kept", "1")
    redis_server.kill()
    assert not redis_server.answers()
    redis_server.start()
    with redis_server.client() as client:
        assert client.get("kept") is None


def test_a_durable_redis_does_not() -> None:
    with Redis(durable=True, password="secret") as server:
        with server.client() as client:
            client.set("kept", "1")
        server.restart()
        with server.client() as client:
            assert client.get("kept") == b"1"
            server.flush()
            assert client.get("kept") is None


def test_rabbitmq_keeps_what_was_sent(rabbitmq_server: RabbitMQ) -> None:

    with rabbitmq_server.channel() as channel:
        channel.queue_declare("kept", durable=True, auto_delete=False)
        channel.confirm_select()
        channel.basic_publish_confirm(amqp.Message("ring", delivery_mode=2), routing_key="kept")
    rabbitmq_server.restart()
    with rabbitmq_server.channel() as channel:
        assert channel.queue_declare("kept", passive=True).message_count == 1
        rabbitmq_server.flush("kept")
        assert channel.queue_declare("kept", passive=True).message_count == 0
        channel.queue_delete("kept")
