"""Reading the audit trail."""

from __future__ import annotations

from ..core.audit import AuditEntry
from ..core.filters import Listing, Page
from ..core.permissions import Action
from ..store import audit
from .office import Service


class Audit(Service):
    """Who did what."""

    def list(self, page: Page | None = None) -> Listing[AuditEntry]:
        """Entries of the tenant, newest first."""
        self._require(Action.AUDIT_READ)
        page = page or Page()
        with self._database.read() as connection:
            items, more = audit.newest(connection, self._tenant, page)
        total = page.offset + len(items) + int(more)
        return Listing(items=items, total=total, page=page, has_more=more, total_is_exact=not more)
