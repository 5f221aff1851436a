"""Who asks: a person, a token, the command line, or jobdeck itself."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_TENANT = "default"
ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An identity with its roles and tenant; `id` is what audit rows and runs keep."""

    id: str
    name: str
    roles: frozenset[str] = frozenset()
    tenant: str = DEFAULT_TENANT


SYSTEM = Principal(id="system", name="System", roles=frozenset({ADMINISTRATOR}))

_OWN_PREFIXES = ("cli:", "token:")


def is_own(principal_id: str) -> bool:
    """Whether jobdeck itself gives this id: the system's, a token's, or that of somebody on the command line."""
    return principal_id == SYSTEM.id or principal_id.startswith(_OWN_PREFIXES)
