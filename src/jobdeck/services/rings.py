"""What workers say of deliveries that came to nothing. A delivery is leave to win one run of a queue, whichever is first: what
it was sent for may have been won by another one, and the other way round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..core.ring import Ring
from ..store import rings as store
from ..store.database import Database
from ..store.statements import AnyConnection


class Rings:
    """What becomes of the runs that deliveries were meant for; system work, without a principal."""

    def __init__(self, database: Database, patience_us: int) -> None:
        self._database = database
        self._patience_us = patience_us

    def spent(self, rings: Sequence[Ring], now_us: int) -> None:
        """These won nothing. Of a run that is not queued any more, one delivery too many is noted; for one that still waits
        its engine is rung again soon, and later each time. StoreError when the database cannot serve.
        """
        with self._database.write_quickly() as connection:
            waiting, gone = _sort(connection, rings, now_us)
            store.ring_soon(connection, waiting, now_us, self._patience_us)
        # One at a time, as those who hold these runs change many at once, in orders of their own.
        for run_id, count in sorted(gone.items()):
            with self._database.write_quickly() as connection:
                store.count_fenced(connection, run_id, count)

    def back(self, rings: Sequence[Ring], now_us: int) -> None:
        """These were not used, as their worker ends: engines are rung at once for as many runs. StoreError leaves nothing
        written.
        """
        with self._database.write_quickly() as connection:
            store.ring_now(connection, _sort(connection, rings, now_us)[0])


def _sort(connection: AnyConnection, rings: Sequence[Ring], now_us: int) -> tuple[list[str], Counter[str]]:
    """The runs that wait now without a message on its way: those named, else others of the queue, which others won for;
    and how often runs were named that do not wait.
    """
    queued = store.queued(connection, [ring.run_id for ring in rings])
    gone = [ring for ring in rings if ring.run_id not in queued]
    waiting = sorted(queued)
    for queue, count in sorted(Counter(ring.queue for ring in gone).items()):
        waiting += store.rung_for(connection, queue, count, waiting, now_us)
    return waiting, Counter(ring.run_id for ring in gone)
