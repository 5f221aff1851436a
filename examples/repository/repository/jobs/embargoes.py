"""Opening records whose embargo has ended."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from jobdeck import job_type, track

from ..database import connect

logger = logging.getLogger(__name__)


@job_type(title="Lift ended embargoes")
def lift_embargoes() -> dict[str, int]:
    """Make every record open whose embargo ended before today."""
    database = connect()
    now = datetime.now(UTC)
    ended = database.execute(
        "SELECT id, title, embargo_until FROM record WHERE access = 'embargoed' AND embargo_until < ? ORDER BY embargo_until",
        (now.date().isoformat(),),
    ).fetchall()
    for record in track(ended):
        with database:
            database.execute(
                "UPDATE record SET access = 'open', updated = ? WHERE id = ?",
                (now.isoformat(timespec="seconds"), record["id"]),
            )
        logger.info("%s is open, embargoed until %s: %s", record["id"], record["embargo_until"], record["title"])
    remaining = database.execute("SELECT count(*) FROM record WHERE access = 'embargoed'").fetchone()[0]
    return {"lifted": len(ended), "still_embargoed": remaining}
