"""Two write in one log: whoever holds the run, and the sub-tasks that it has sent elsewhere."""

from __future__ import annotations

from jobdeck import Deck
from jobdeck.core.outcome import OutcomeKind
from jobdeck.services.claims import Report
from jobdeck.services.subtask_logs import Origin, append

from .stand_in import Worker


def told(text: str) -> tuple[int, int, str, str, str]:
    return (1_790_000_000_000_000, 20, "sub", text, '{"task_id": "t-1"}')


def lines(deck: Deck, run_id: str) -> list[str]:
    page = deck.logs.of_run(run_id)
    assert [entry.seq for entry in page.entries] == sorted({entry.seq for entry in page.entries})
    assert page.total == page.entries[-1].seq
    return [entry.message for entry in page.entries]


def test_both_write_and_no_line_is_lost_or_overwritten(deck: Deck) -> None:
    run = deck.runs.start("greet")
    worker = Worker(deck)
    (claim,) = worker.claim()
    origin = Origin(run_id=run.id, fence=claim.fence, attempt=1, tenant=claim.tenant)
    assert Origin.of_data(origin.as_data()) == origin
    worker.log(claim, "one")
    assert append(deck.database, origin, [told("a"), told("b")])
    worker.log(claim, "two")
    worker.log(claim, "three")
    assert append(deck.database, origin, [told("c")])
    worker.log(claim, "four")
    assert lines(deck, run.id) == ["one", "a", "b", "two", "three", "c", "four"]
    worker.end(claim)
    assert append(deck.database, origin, [told("after the end")])
    assert lines(deck, run.id)[-1] == "after the end"
    assert deck.logs.of_run(run.id).entries[-1].fields == {"task_id": "t-1"}


def test_a_report_that_is_given_twice_is_written_once(deck: Deck) -> None:
    run = deck.runs.start("greet")
    worker = Worker(deck)
    (claim,) = worker.claim()
    origin = Origin(run_id=run.id, fence=claim.fence, attempt=1, tenant=claim.tenant)
    append(deck.database, origin, [told("a")])
    entry = (claim.id, 1, claim.tenant, 1, worker.now(), 20, "tests", "mine", None)
    report = Report(log_entries=[entry], log_heads={claim.id: (1, claim.id, worker.holder.id, claim.fence, 0)})
    worker.claims.exchange(report, 0, worker.now())
    assert lines(deck, run.id) == ["a", "mine"]
    # Nobody heard that it was written, and more was said meanwhile.
    report.log_entries.append((claim.id, 2, claim.tenant, 1, worker.now(), 20, "tests", "more", None))
    report.log_heads[claim.id] = (2, *report.log_heads[claim.id][1:])
    append(deck.database, origin, [told("b")])
    worker.claims.exchange(report, 0, worker.now())
    assert lines(deck, run.id) == ["a", "mine", "b", "more"]


def test_lines_of_an_earlier_attempt_are_not_of_the_next_one(deck: Deck) -> None:
    run = deck.runs.start("greet", retry=2)
    worker = Worker(deck)
    (claim,) = worker.claim()
    origin = Origin(run_id=run.id, fence=claim.fence, attempt=1, tenant=claim.tenant)
    worker.end(claim, OutcomeKind.ERROR, message="no", retry=0.0)
    assert append(deck.database, origin, [told("waits")])
    (second,) = worker.claim()
    assert second.fence > claim.fence
    assert not append(deck.database, origin, [told("too late")])
    assert not append(deck.database, Origin(run_id=run.id, fence=second.fence, attempt=2, tenant="other"), [told("x")])
    worker.log(second, "second")
    assert lines(deck, run.id) == ["waits", "second"]
