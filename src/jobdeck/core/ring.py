"""A ring: the wake-up that an engine carries to a worker. It says that a run of a queue waits, and permits nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

VERSION = 1
FIRST_US = 60_000_000
LONGEST_US = 1_800_000_000
_DOUBLINGS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """`number` counts the rings of a run; `queue` is jobdeck's name of it."""

    run_id: str
    number: int
    queue: str

    def as_data(self) -> dict[str, Any]:
        """What a message carries."""
        return {"v": VERSION, "run": self.run_id, "ring": self.number, "queue": self.queue}

    @classmethod
    def of_data(cls, data: Any) -> Ring:
        """The ring of a message; ValueError when it is none of this version, as nothing from a broker is trusted."""
        fields = data if isinstance(data, dict) else {}
        run_id, number, queue = fields.get("run"), fields.get("ring"), fields.get("queue")
        if fields.get("v") != VERSION or not (
            isinstance(run_id, str) and isinstance(queue, str) and isinstance(number, int)
        ):
            raise ValueError("this is no ring of jobdeck, or one of another version")
        return cls(run_id=run_id[:36], number=number, queue=queue[:64])


def patience_us(rings: int, first_us: int = FIRST_US) -> int:
    """How long after its last ring, of so many, a run that is still queued is rung for again (microseconds): twice as long
    each time, half an hour at most.
    """
    return max(first_us, min(first_us << min(max(rings - 1, 0), _DOUBLINGS), LONGEST_US))
