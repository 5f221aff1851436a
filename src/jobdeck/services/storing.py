"""Storing new runs in one transaction, with all that decides whether and when they run: unique keys, limits, dependencies."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.lifecycle import has_succeeded
from ..core.limits import WhenFull
from ..core.new_run import NewRun
from ..core.principal import Principal
from ..core.run import Parked, Reason, Status
from ..errors import InvalidInput, Occupied
from ..store import dependencies, endings, runs, slots, subruns
from ..store.statements import AnyConnection
from . import aftermath
from .aftermath import Ended

_UNIQUE_TRIES = 5
_LIVE_LIMIT = 100_000


def store(
    connection: AnyConnection,
    new: Sequence[NewRun],
    *,
    after: Sequence[str] = (),
    need: str = "success",
    unique_policy: str = "reject",
    by: Principal,
    is_short: bool = True,
) -> str | None:
    """Queue these runs. The id of the live run that stands in for the only one, when the unique policy says so.

    Occupied when a unique key or a limit refuses one; InvalidInput for an unknown dependency. Nothing is stored then,
    as long as the caller rolls back. `is_short`: the transaction ends with this.
    """
    now_us = new[0].created_at
    ended: list[Ended] = []
    after = list(after)
    if new[0].unique_key is not None:
        existing = _take_key(connection, new[0], unique_policy, by, after, ended)
        if existing is not None:
            return existing
    failed = _depend(connection, new, after, need, now_us) if after else None
    skipped = _limit(connection, new, by, ended, is_short) if new[0].limit_key is not None else []
    if new[0].unique_key is None:
        runs.enqueue(connection, [one.row() for one in new])
    elif not runs.enqueue_unique(connection, new[0]):
        raise Occupied(f"Another run with the unique key {new[0].unique_key!r} was started at the same moment.")
    if failed is not None:
        ended += aftermath.end_queued(connection, [one.id for one in new], failed[0], now_us, message=failed[1])
    elif skipped:
        ended += aftermath.end_queued(
            connection, skipped, (Status.CANCELLED, Reason.SKIPPED), now_us,
            message="As many runs as its limit allows were at work.",
        )  # fmt: skip
    aftermath.settle(connection, ended, now_us)
    return None


def replace(
    connection: AnyConnection, run_id: str, status: str, successor: str, by: Principal, now_us: int
) -> list[Ended]:
    """Make way for a newer run: a queued run ends, a running one is asked to stop."""
    why = f"Replaced by run {successor}."
    verdict = (Status.CANCELLED, Reason.REPLACED)
    if status == Status.QUEUED:
        ended = aftermath.end_queued(connection, [run_id], verdict, now_us, message=why, actor=by.id)
        if ended:
            endings.note_stop(connection, [run_id], (now_us, by.name, why))
            return ended
    subruns.lock_below(connection, [run_id])
    if not endings.request_stop(connection, [run_id], (now_us, by.name, why, Reason.REPLACED.value)):
        # It may have come back in line since it was read.
        return aftermath.end_queued(connection, [run_id], verdict, now_us, message=why, actor=by.id)
    ended = aftermath.end_elsewhere(connection, [run_id], now_us, by.id)
    return ended + aftermath.stop_below(connection, [run_id], by.name, why, Reason.REPLACED, now_us)


def _take_key(
    connection: AnyConnection, new: NewRun, policy: str, by: Principal, after: list[str], ended: list[Ended]
) -> str | None:
    """Make the unique key free, or name the run that has it."""
    slots.queue_up(connection, f"{new.tenant} unique {new.unique_key}")
    for _ in range(_UNIQUE_TRIES):
        # What is being replaced by the run that has the key; before that run itself, as whoever ends them goes.
        still_at_work = dependencies.lock_replaced(connection, new.tenant, str(new.unique_key))
        found = runs.of_unique_key(connection, new.tenant, str(new.unique_key))
        if found is None:
            return None
        run_id, status = found
        if policy == "existing":
            return run_id
        if policy == "reject":
            raise Occupied(f"Run {run_id} with the unique key {new.unique_key!r} is {status}; it has to end first.")
        ended += replace(connection, run_id, status, new.id, by, new.created_at)
        runs.drop_unique_key(connection, run_id)
        # Both at once is what the key forbids.
        wait_for = [one for one in ([run_id] if status == Status.RUNNING else still_at_work) if one not in after]
        if wait_for:
            new.open_dependencies += len(wait_for)
            new.parked = int(Parked.DEPENDENCY)
            dependencies.add(connection, [(new.id, one, new.tenant, "end", None) for one in wait_for])
    return None


def _depend(
    connection: AnyConnection, new: Sequence[NewRun], after: Sequence[str], need: str, now_us: int
) -> tuple[tuple[Status, Reason], str] | None:
    """Let the runs wait for others; the verdict when one of these has failed already."""
    wanted = list(dict.fromkeys(after))
    found = {run_id: Status(text) for run_id, text in
             dependencies.lock_parents(connection, new[0].tenant, wanted).items()}  # fmt: skip
    if unknown := [run_id for run_id in wanted if run_id not in found]:
        raise InvalidInput.of("after", f"Run with ID {unknown[0]} does not exist.")
    open_ones = [run_id for run_id in wanted if not found[run_id].is_final]
    for one in new:
        dependencies.add(connection, [
            (one.id, run_id, one.tenant, need, None if run_id in open_ones else now_us) for run_id in wanted
        ])  # fmt: skip
        if open_ones:
            one.open_dependencies += len(open_ones)
            one.parked = int(Parked.DEPENDENCY)
    if need == "success":
        for run_id, status in found.items():
            if status.is_final and not has_succeeded(status):
                how = Status.CANCELLED if status is Status.CANCELLED else Status.FAILED
                message = f"Run {run_id}, which had to succeed before this one, ended as {status}."
                return (how, Reason.DEPENDENCY), message
    return None


def _limit(
    connection: AnyConnection, new: Sequence[NewRun], by: Principal, ended: list[Ended], is_short: bool
) -> list[str]:
    """What a limit means for new runs of it; the ids of those that are skipped."""
    skipped: list[str] = []
    for key in sorted({str(one.limit_key) for one in new}):
        ours = [one for one in new if one.limit_key == key]
        first = ours[0]
        n, policy = first.limit_n or 1, WhenFull(first.limit_policy or WhenFull.WAIT)
        if policy is WhenFull.WAIT and not is_short:
            # Workers would wait for the lock as long as the caller's transaction lasts. Their claim parks the run.
            continue
        if policy in (WhenFull.REJECT, WhenFull.REPLACE):
            slots.queue_up(connection, key)
            live = slots.live_oldest_first(connection, key, _LIVE_LIMIT)
            over = len(live) + len(ours) - n
            if over > 0 and policy is WhenFull.REJECT:
                raise Occupied(f"At most {n} runs of this ({key.partition(' ')[2]}) may be live at once; run {live[0][0]} is."
                               if live else f"At most {n} runs of this may be live at once.")  # fmt: skip
            for run_id, status in live[: max(0, over)]:
                ended += replace(connection, run_id, status, first.id, by, first.created_at)
            continue
        slots.lock(connection, first.tenant, [key])
        if slots.running(connection, [key])[key] < n:
            continue
        # One that begins later finds out when it is claimed.
        due = [one for one in ours if one.available_at <= one.created_at]
        if policy is WhenFull.SKIP:
            skipped += [one.id for one in due]
        else:
            for one in due:
                one.parked = one.parked or int(Parked.LIMIT)
    return skipped
