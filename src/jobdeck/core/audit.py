"""Who did what to which object, allowed or denied, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One write, or one refused write. `before` and `after` hold the fields that changed."""

    id: str
    tenant: str
    at: datetime
    principal_id: str
    action: str
    object: str | None
    allowed: bool
    reason: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
