"""What crashes leave in the files folder: folders of runs that are gone, and unfinished files of killed attempts."""

from __future__ import annotations

import heapq
import os
import shutil
from contextlib import suppress
from pathlib import Path

from ..core.ids import is_id
from ..store import retention
from ..store.database import Database

BATCH = 1000
_SETTLED_US = 3_600_000_000


def sweep(database: Database, folder: Path, after: str, now_us: int) -> tuple[int, str]:
    """Remove what is left over for an hour, in the next `BATCH` folders by name.

    How many folders of unknown runs were removed, and the name to go on after: empty at the end.
    """
    try:
        with os.scandir(folder) as entries:
            names = heapq.nsmallest(BATCH, (entry.name for entry in entries if entry.name > after))
    except OSError:
        # No run has made a file yet, or the folder is not to be had just now.
        return 0, ""
    ids = [name for name in names if is_id(name)]
    with database.read() as connection:
        known = retention.statuses(connection, ids)
    removed = 0
    for name in ids:
        place, status = folder / name, known.get(name)
        if status is None and _is_settled(place, now_us):
            shutil.rmtree(place, ignore_errors=True)
            removed += not place.exists()
        elif status is not None and status.is_final:
            _drop_parts(place, now_us)
    return removed, names[-1] if len(names) == BATCH else ""


def _drop_parts(place: Path, now_us: int) -> None:
    for part in place.glob("*/*.part"):
        if _is_settled(part, now_us):
            with suppress(OSError):
                part.unlink()


def _is_settled(place: Path, now_us: int) -> bool:
    try:
        return place.lstat().st_mtime_ns // 1000 < now_us - _SETTLED_US
    except OSError:
        return False
