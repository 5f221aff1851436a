"""Log lines of what a run has sent elsewhere, such as a sub-task in a worker of Celery: they land in the log of the run, beside its
own lines, as long as no later attempt has begun.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.ids import is_id
from ..store import logs
from ..store.database import Database

Line = tuple[int, int, str, str, str | None]
"""(at in microseconds since 1970, level number, logger, message, fields as JSON)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The attempt that sent it."""

    run_id: str
    fence: int
    attempt: int
    tenant: str

    def as_data(self) -> dict[str, Any]:
        """What a message carries."""
        return {"run": self.run_id, "fence": self.fence, "attempt": self.attempt, "tenant": self.tenant}

    @classmethod
    def of_data(cls, data: Any) -> Origin:
        """What `as_data` gave; ValueError when it is nothing of the kind, as nothing from a broker is trusted."""
        fields = data if isinstance(data, dict) else {}
        run_id, tenant = fields.get("run"), fields.get("tenant")
        fence, attempt = fields.get("fence"), fields.get("attempt")
        if not (isinstance(run_id, str) and is_id(run_id) and isinstance(tenant, str) and len(tenant) <= 64):
            raise ValueError("this names no run")
        if not (isinstance(fence, int) and isinstance(attempt, int) and 0 < fence < 2**53 and 0 < attempt < 2**31):
            raise ValueError("this names no attempt")
        return cls(run_id=run_id, fence=fence, attempt=attempt, tenant=tenant)


def append(database: Database, origin: Origin, lines: Sequence[Line]) -> bool:
    """Write these in the log of the run; False when another attempt has begun since, or there is no such run. StoreError."""
    with database.write_quickly() as connection:
        before = logs.take_beside(connection, len(lines), origin.run_id, origin.tenant, origin.fence)
        if before is None:
            return False
        about = (origin.tenant, origin.attempt)
        logs.append(connection, [(origin.run_id, before + n, *about, *line) for n, line in enumerate(lines, 1)])
    return True
