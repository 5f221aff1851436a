"""Whether the principal of a schedule may still do what is done in its name: asked anew each time it fires.

Neighbours: `services.firing` asks, `core.permissions` decides, `services.accounts` makes the tokens that are looked up here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from ..contracts import Authenticator
from ..core.permissions import Action, decide
from ..core.principal import ADMINISTRATOR, SYSTEM, Principal
from ..store import accounts
from .accounts import principal_of
from .office import Office

logger = logging.getLogger(__name__)
_CLI = "cli:"
_TOKEN = "token:"  # noqa: S105  # how the ids of tokens' principals begin; no secret itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`principal` as it is now, when it may; None when it may not, and `reason` says why.

    `is_certain` is False when nobody could be asked: it may be known later.
    """

    principal: Principal | None
    reason: str
    is_certain: bool = True


class Authority:
    """Knows principals by their ids: the system, people of the command line, tokens, and whom the host knows.

    `context` is entered around the host's `authenticator`.
    """

    def __init__(
        self,
        office: Office,
        authenticator: Authenticator | None = None,
        context: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self._office = office
        self._authenticator = authenticator
        self._context = context

    def standing(self, principal_id: str, name: str, tenant: str, action: Action = Action.RUNS_START) -> Standing:
        """Whether this principal may do that now, in its tenant."""
        found = self._look_up(principal_id, name, tenant)
        if found.principal is None:
            return found
        decision = decide(found.principal, action)
        return Standing(principal=found.principal if decision.allowed else None, reason=decision.reason)

    def current(self, principal_id: str, name: str, tenant: str) -> Principal | None:
        """The principal as it is now, whatever it may do; None when there is none any more."""
        return self._look_up(principal_id, name, tenant).principal

    def _look_up(self, principal_id: str, name: str, tenant: str) -> Standing:
        if principal_id == SYSTEM.id:
            return Standing(principal=replace(SYSTEM, tenant=tenant), reason="it is jobdeck itself")
        if principal_id.startswith(_CLI):
            known = Principal(id=principal_id, name=name, roles=frozenset({ADMINISTRATOR}), tenant=tenant)
            return Standing(principal=known, reason="whoever works on the command line is an administrator")
        found = self._token(principal_id) if principal_id.startswith(_TOKEN) else self._of_host(principal_id)
        if found.principal is not None and found.principal.tenant != tenant:
            return Standing(principal=None, reason="it belongs to another tenant now")
        return found

    def _token(self, principal_id: str) -> Standing:
        now_us = self._office.clock.now_us()
        with self._office.database.read() as connection:
            row = accounts.token(connection, principal_id.removeprefix(_TOKEN))
        if row is None:
            return Standing(principal=None, reason="there is no such token")
        if row.revoked_at is not None:
            return Standing(principal=None, reason="its token was revoked")
        if row.expires_at is not None and row.expires_at <= now_us:
            return Standing(principal=None, reason="its token has expired")
        return Standing(principal=principal_of(row), reason="its token is valid")

    def _of_host(self, principal_id: str) -> Standing:
        if self._authenticator is None:
            return Standing(principal=None, reason="no authenticator of a host knows it")
        find = getattr(self._authenticator, "find", None)
        if find is None:
            return Standing(
                principal=None, reason="its host cannot tell who it is now: the authenticator has no `find`"
            )
        try:
            with self._context():
                found = find(principal_id)
        except (
            Exception
        ) as error:  # the host's code may raise anything; that it failed says nothing about the principal
            logger.exception("The host's authenticator could not be asked about %r", principal_id)
            why = f"its host could not be asked: {type(error).__name__}: {error}"
            return Standing(principal=None, reason=why, is_certain=False)
        if not isinstance(found, Principal):
            return Standing(principal=None, reason="its host does not know it any more")
        return Standing(principal=found, reason="its host knows it")
