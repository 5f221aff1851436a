"""What every service works with, and the two things each of them does: ask for permission, write an audit row."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ..config import Settings
from ..contracts import Clock, Engine
from ..core.ids import new_id
from ..core.permissions import Action, decide
from ..core.principal import Principal
from ..core.text import clean
from ..definitions.registry import Registry
from ..errors import NotAllowed
from ..store import audit
from ..store.database import Database
from ..store.doorbell import Bell
from ..store.statements import Lane

_OBJECT_LIMIT = 500


class SystemClock:
    """The host's clock."""

    def now_us(self) -> int:
        """Microseconds since 1970, UTC."""
        return time.time_ns() // 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Everything shared by the services of one deck. `engines` gives those that the settings name; ConfigurationError when one
    of them cannot be had.
    """

    settings: Settings
    database: Database
    registry: Registry
    clock: Clock
    bell: Bell
    engines: Callable[[], Mapping[str, Engine]] = dict


class Service:
    """A service acting for one principal, within that principal's tenant."""

    def __init__(self, office: Office, principal: Principal) -> None:
        self._office = office
        self._database = office.database
        self._principal = principal
        self._tenant = principal.tenant

    def _now_us(self) -> int:
        return self._office.clock.now_us()

    def _require(self, action: Action, target: str | None = None) -> None:
        """NotAllowed, and an audit row that says so, unless the principal may do this."""
        decision = decide(self._principal, action)
        if not decision.allowed:
            with self._database.write() as connection:
                self._audit(connection, action, target, allowed=False, reason=decision.reason)
            raise NotAllowed("Permission denied.")

    def _audit(
        self,
        connection: Connection | Lane,
        action: Action,
        target: str | None,
        *,
        allowed: bool = True,
        reason: str | None = None,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        now_us = self._now_us()
        audit.add(
            connection,
            entry_id=new_id(now_us),
            tenant=self._tenant,
            at=now_us,
            principal_id=self._principal.id,
            action=action,
            # What a refused caller named can be anything.
            object=None if target is None else clean(target, _OBJECT_LIMIT)[:_OBJECT_LIMIT],
            allowed=allowed,
            reason=reason,
            before=before,
            after=after,
        )
