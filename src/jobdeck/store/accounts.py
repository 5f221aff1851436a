"""API tokens and sessions. Of a token's secret and a session's cookie value, only the SHA-256 is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from .tables import sessions, tokens


def add_token(connection: Connection, values: Mapping[str, Any]) -> None:
    """Insert one token; `values` by column name."""
    connection.execute(insert(tokens).values(**values))


def usable_token(connection: Connection, prefix: str, now_us: int) -> Row[Any] | None:
    """The token with this prefix that is neither revoked nor expired, or None."""
    query = select(tokens).where(tokens.c.prefix == prefix, *_usable(now_us))
    return connection.execute(query).one_or_none()


def token(connection: Connection, token_id: str) -> Row[Any] | None:
    """The token with this id, be it usable or not, or None."""
    return connection.execute(select(tokens).where(tokens.c.id == token_id)).one_or_none()


def token_used(connection: Connection, token_id: str, now_us: int) -> None:
    """Note that a token was just used."""
    connection.execute(update(tokens).where(tokens.c.id == token_id).values(used_at=now_us))


def add_session(connection: Connection, values: Mapping[str, Any]) -> None:
    """Insert one session; `values` by column name."""
    connection.execute(insert(sessions).values(**values))


def live_session(connection: Connection, sha256: str, now_us: int, idle_since_us: int) -> Row[Any] | None:
    """The session with its token's columns, or None when either of them is over or it was idle too long."""
    query = (
        select(sessions, tokens.c.principal_id, tokens.c.principal_name, tokens.c.roles)
        .join(tokens, tokens.c.id == sessions.c.token_id)
        .where(sessions.c.sha256 == sha256, sessions.c.expires_at > now_us, sessions.c.seen_at > idle_since_us)
        .where(*_usable(now_us))
    )
    return connection.execute(query).one_or_none()


def session_seen(connection: Connection, sha256: str, now_us: int) -> None:
    """Note that a session was just used."""
    connection.execute(update(sessions).where(sessions.c.sha256 == sha256).values(seen_at=now_us))


def remove_session(connection: Connection, sha256: str) -> None:
    """End one session."""
    connection.execute(delete(sessions).where(sessions.c.sha256 == sha256))


def remove_ended_sessions(connection: Connection, now_us: int, idle_since_us: int) -> None:
    """Forget sessions that can never be used again."""
    over = or_(sessions.c.expires_at <= now_us, sessions.c.seen_at <= idle_since_us)
    connection.execute(delete(sessions).where(over))


def _usable(now_us: int) -> tuple[Any, ...]:
    return tokens.c.revoked_at.is_(None), or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now_us)
