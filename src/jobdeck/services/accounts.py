"""Who may come in: API tokens, and the browser sessions that a token opens.

A token is shown once, when it is made. The cookie's value, the CSRF token and the token's secret are random
(256 bits each); what the database keeps of them cannot be used to sign in. Neighbours: `store.accounts`
keeps them, `web.auth` asks on every request.
"""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Row

from ..core.ids import new_id
from ..core.permissions import Action
from ..core.principal import Principal
from ..core.text import clean
from ..core.times import from_us
from ..errors import InvalidInput
from ..store import accounts
from .office import Office, Service

SECRET_PREFIX = "jdk_"  # noqa: S105  # how every secret begins; no secret itself
TOKEN_LIFETIME = timedelta(days=365)
SESSION_LIFETIME = timedelta(hours=12)
SESSION_IDLE = timedelta(minutes=30)
_PREFIX_LENGTH = 16
_NAME_LIMIT = 200
_SEEN_EVERY_US = 60_000_000
_MICROSECOND = timedelta(microseconds=1)
_NOBODY = Principal(id="anonymous", name="Anonymous")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A signed-in browser. `id` is the cookie's value; every form sends `csrf_token` back."""

    id: str
    csrf_token: str
    principal: Principal
    expires_at: datetime


class Accounts:
    """Tokens and sessions of one deck; bound to nobody, because it is what finds out who somebody is."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._database = office.database

    def create_token(self, *, name: str, by: Principal, lifetime: timedelta | None = TOKEN_LIFETIME) -> str:
        """A new token with the roles and tenant of `by`, valid for ever when `lifetime` is None.

        The secret is returned this once.
        """
        return _Acting(self._office, by).create_token(name, lifetime)

    def principal_of_token(self, secret: str) -> Principal | None:
        """Whose token this is; None when it is unknown, revoked or expired."""
        row = self._token(secret)
        return None if row is None else principal_of(row)

    def sign_in(self, secret: str, *, previous_session: str | None = None) -> Session | None:
        """A new session for the holder of a token, in place of the browser's previous one; None: refused."""
        row = self._token(secret)
        if row is None:
            _Acting(self._office, _NOBODY).refuse()
            return None
        return _Acting(self._office, principal_of(row)).open_session(row.id, previous_session)

    def session(self, session_id: str) -> Session | None:
        """The session with this cookie value, unless it is over or was idle for too long."""
        now_us, digest = self._office.clock.now_us(), _digest(session_id)
        with self._database.read() as connection:
            row = accounts.live_session(connection, digest, now_us, _idle_since(now_us))
        if row is None:
            return None
        if now_us - row.seen_at > _SEEN_EVERY_US:
            with self._database.write() as connection:
                accounts.session_seen(connection, digest, now_us)
        return Session(
            id=session_id,
            csrf_token=row.csrf_token,
            principal=principal_of(row),
            expires_at=from_us(row.expires_at),
        )

    def sign_out(self, session_id: str) -> None:
        """End a session; nothing happens when there is none."""
        session = self.session(session_id)
        if session is not None:
            _Acting(self._office, session.principal).close_session(session_id)

    def _token(self, secret: str) -> Row[Any] | None:
        now_us = self._office.clock.now_us()
        if not secret.startswith(SECRET_PREFIX) or not secret.isascii() or not secret.isprintable():
            return None
        with self._database.read() as connection:
            row = accounts.usable_token(connection, secret[:_PREFIX_LENGTH], now_us)
        if row is None or not hmac.compare_digest(row.sha256, _digest(secret)):
            return None
        if row.used_at is None or now_us - row.used_at > _SEEN_EVERY_US:
            with self._database.write() as connection:
                accounts.token_used(connection, row.id, now_us)
        return row


class _Acting(Service):
    """What changes tokens and sessions, in the name of the principal whose audit trail tells of it."""

    def create_token(self, name: str, lifetime: timedelta | None) -> str:
        self._require(Action.TOKENS_CREATE)
        name = clean(name.strip())
        if not 1 <= len(name) <= _NAME_LIMIT:
            raise InvalidInput.of("name", f"Must be from 1 to {_NAME_LIMIT} characters.")
        if lifetime is not None and lifetime <= timedelta(0):
            raise InvalidInput.of("lifetime", "Must be more than nothing.")
        prefix = SECRET_PREFIX + secrets.token_hex((_PREFIX_LENGTH - len(SECRET_PREFIX)) // 2)
        secret = f"{prefix}_{secrets.token_urlsafe(32)}"
        now_us = self._now_us()
        token_id = new_id(now_us)
        values = {
            "id": token_id,
            "tenant": self._tenant,
            "prefix": prefix,
            "sha256": _digest(secret),
            "name": name,
            "principal_id": f"token:{token_id}",
            "principal_name": name,
            "roles": json.dumps(sorted(self._principal.roles)),
            "created_at": now_us,
            "expires_at": None if lifetime is None else now_us + lifetime // _MICROSECOND,
        }
        with self._database.write() as connection:
            accounts.add_token(connection, values)
            self._audit(connection, Action.TOKENS_CREATE, f"token:{token_id}", after={"name": name})
        return secret

    def open_session(self, token_id: str, previous: str | None) -> Session:
        now_us = self._now_us()
        session = Session(
            id=secrets.token_urlsafe(32),
            csrf_token=secrets.token_urlsafe(32),
            principal=self._principal,
            expires_at=from_us(now_us + SESSION_LIFETIME // _MICROSECOND),
        )
        values = {
            "sha256": _digest(session.id),
            "tenant": self._tenant,
            "token_id": token_id,
            "csrf_token": session.csrf_token,
            "created_at": now_us,
            "seen_at": now_us,
            "expires_at": now_us + SESSION_LIFETIME // _MICROSECOND,
        }
        with self._database.write() as connection:
            accounts.remove_ended_sessions(connection, now_us, _idle_since(now_us))
            if previous is not None:
                accounts.remove_session(connection, _digest(previous))
            accounts.add_session(connection, values)
            self._audit(connection, Action.SESSIONS_CREATE, None)
        return session

    def close_session(self, session_id: str) -> None:
        with self._database.write() as connection:
            accounts.remove_session(connection, _digest(session_id))
            self._audit(connection, Action.SESSIONS_END, None)

    def refuse(self) -> None:
        with self._database.write() as connection:
            self._audit(connection, Action.SESSIONS_CREATE, None, allowed=False, reason="unknown access token")


def principal_of(row: Row[Any]) -> Principal:
    """Whose token a row of `store.accounts` is."""
    return Principal(
        id=row.principal_id,
        name=row.principal_name,
        roles=frozenset(json.loads(row.roles)),
        tenant=row.tenant,
    )


def _digest(secret: str) -> str:
    return sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _idle_since(now_us: int) -> int:
    return now_us - SESSION_IDLE // _MICROSECOND
