"""What people and code ask for: saving, starting, listing, and what is refused. Every write has one audit row."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from jobdeck import Deck
from jobdeck.core.filters import JobFilter, Page, RunFilter
from jobdeck.core.principal import ADMINISTRATOR, Principal
from jobdeck.core.times import from_us
from jobdeck.core.worker import WorkerInfo
from jobdeck.errors import Conflict, InvalidInput, JobdeckError, NotAllowed, NotFound
from jobdeck.services.workers import Presence
from jobdeck.store import tables

AN_ID = "01890000-0000-7000-8000-000000000000"
NOBODY = Principal(id="eve", name="Eve")
STRANGER = Principal(id="mallory", name="Mallory", roles=frozenset({ADMINISTRATOR}), tenant="other")


def audit(deck: Deck) -> list[tuple[str, bool]]:
    with deck.database.read() as connection:
        rows = connection.execute(select(tables.audit).order_by(tables.audit.c.id)).fetchall()
    return [(row.action, bool(row.allowed)) for row in rows]


def test_every_write_has_one_audit_row(deck: Deck) -> None:
    job = deck.jobs.create(title="A", type="greet", arguments={"name": "Bo"})
    deck.jobs.update(str(job.id), title="B")
    run = deck.runs.start(str(job.id))
    deck.runs.start_many("greet", [{}, {}])
    deck.enqueue("json:dumps", [1])
    deck.runs.stop(run.id)
    deck.runs.delete(run.id)
    deck.jobs.delete(str(job.id))
    assert audit(deck) == [
        ("jobs.create", True), ("jobs.update", True), ("runs.start", True), ("runs.start", True), ("runs.start", True),
        ("runs.stop", True), ("runs.delete", True), ("jobs.delete", True),
    ]  # fmt: skip


CALLS: dict[str, Callable[[Any, str, str], Any]] = {
    "jobs.list": lambda desk, job, run: desk.jobs.list(),
    "jobs.get": lambda desk, job, run: desk.jobs.get(job),
    "jobs.create": lambda desk, job, run: desk.jobs.create(title="X", type="greet"),
    "jobs.update": lambda desk, job, run: desk.jobs.update(job, title="X"),
    "jobs.delete": lambda desk, job, run: desk.jobs.delete(job),
    "runs.list": lambda desk, job, run: desk.runs.list(),
    "runs.get": lambda desk, job, run: desk.runs.get(run),
    "runs.start": lambda desk, job, run: desk.runs.start(job),
    "runs.start_many": lambda desk, job, run: desk.runs.start_many(job, [{}]),
    "runs.enqueue": lambda desk, job, run: desk.runs.enqueue("json:dumps", [1]),
    "runs.stop": lambda desk, job, run: desk.runs.stop(run),
    "runs.delete": lambda desk, job, run: desk.runs.delete(run),
    "runs.attempts": lambda desk, job, run: desk.runs.attempts(run),
    "runs.logs": lambda desk, job, run: desk.runs.logs(run),
    "runs.files": lambda desk, job, run: desk.runs.files(run),
    "runs.waiting": lambda desk, job, run: desk.runs.waiting(),
    "logs.search": lambda desk, job, run: desk.logs.search(run),
    "types.list": lambda desk, job, run: desk.types.list(),
    "workers.list": lambda desk, job, run: desk.workers.list(),
    "audit.list": lambda desk, job, run: desk.audit.list(),
}


@pytest.mark.parametrize("call", CALLS)
def test_without_the_role_nothing_is_done_and_it_is_told(deck: Deck, call: str) -> None:
    job = deck.jobs.create(title="A", type="greet")
    run = deck.runs.start(str(job.id))
    before = len(audit(deck))
    with pytest.raises(NotAllowed):
        CALLS[call](deck.acting_as(NOBODY), str(job.id), run.id)
    assert [allowed for _, allowed in audit(deck)[before:]] == [False]
    assert (deck.jobs.list().total, deck.runs.list().total) == (1, 1)
    assert deck.runs.get(run.id) == run


@pytest.mark.parametrize("call", CALLS)
def test_nothing_of_another_tenant_is_seen_or_changed(deck: Deck, call: str) -> None:
    job = deck.jobs.create(title="A", type="greet", arguments={"name": "secret"})
    run = deck.runs.start(str(job.id))
    desk = deck.acting_as(STRANGER)
    try:
        found = CALLS[call](desk, str(job.id), run.id)
    except NotFound:
        found = None
    assert "secret" not in repr(found)
    assert run.id not in repr(found)
    assert deck.jobs.get(str(job.id)).title == "A"
    assert deck.runs.get(run.id) == run
    assert (deck.jobs.list().total, deck.runs.list().total) == (1, 1)


@pytest.mark.parametrize(
    ("given_fields", "wrong"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 251}, "title"),
        ({"type": "nothing"}, "type"),
        ({"queue": "fast"}, "queue"),
        ({"timeout": "soon"}, "timeout"),
        ({"active": "yes"}, "active"),
        ({"description": 5}, "description"),
        ({"schedule": {"type": "crontab", "hour": "banana"}}, "schedule.hour"),
        ({"notification_emails": ["a@b.example"]}, "notification_emails"),
        ({"notification_statuses": ["FAILED"]}, "notification_statuses"),
        ({"arguments": {"nmae": "x"}}, "args.nmae"),
        ({"arguments": {"times": "many"}}, "args.times"),
        ({"arguments": {"name": "x" * 300_000}}, "args"),
    ],
)
def test_a_job_that_does_not_fit_is_refused_by_field(deck: Deck, given_fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        deck.jobs.create(**{"title": "A", "type": "greet", **given_fields})
    assert [error.field for error in caught.value.errors] == [wrong]
    assert deck.jobs.list().total == 0
    job = deck.jobs.create(title="A", type="greet")
    with pytest.raises(InvalidInput) as caught:
        deck.jobs.update(str(job.id), **given_fields)
    assert [error.field for error in caught.value.errors] == [wrong]
    assert deck.jobs.get(str(job.id)) == job


def test_all_wrong_fields_are_told_at_once(deck: Deck) -> None:
    with pytest.raises(InvalidInput) as caught:
        deck.runs.start("greet", {"nmae": 1, "times": "x"}, title="", queue="fast", timeout=0)
    assert {error.field for error in caught.value.errors} == {"args.nmae", "args.times", "title", "queue", "timeout"}
    assert deck.runs.list().total == 0


def test_unknown_targets_are_not_found(deck: Deck) -> None:
    with pytest.raises(NotFound, match="greet"):
        deck.runs.start("greeet")
    for call in (deck.jobs.get, deck.jobs.delete, deck.runs.get, deck.runs.stop, deck.runs.delete, deck.runs.start):
        with pytest.raises(NotFound, match="does not exist"):
            call(AN_ID)


def nested() -> Callable[[], None]:
    def inner() -> None:
        pass

    return inner


@pytest.mark.parametrize("function", [lambda: None, nested(), "json", "json:nothing", "no.module:x", json, 5])
def test_what_cannot_be_imported_cannot_be_enqueued(deck: Deck, function: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        deck.enqueue(function)
    assert {error.field for error in caught.value.errors} == {"function"}
    assert deck.runs.list().total == 0


def test_a_type_that_disappears_leaves_its_history_and_blocks_nobody(deck: Deck) -> None:
    job = deck.jobs.create(title="Old", type="harvest")
    other = deck.jobs.create(title="New", type="greet")
    run = deck.runs.start(str(job.id))
    known = deck.registry.get("greet")
    later = Deck(job_types=[known], home=deck.settings.home, database_url=deck.settings.database_url)
    try:
        assert [one.title for one in later.jobs.list().items] == ["New", "Old"]
        assert later.jobs.default_arguments(later.jobs.get(str(job.id)))[1] is not None
        assert later.runs.get(run.id).type == "harvest"
        with pytest.raises(Conflict, match="not registered any more"):
            later.runs.start(str(job.id))
        assert later.runs.start(str(other.id)).status == "QUEUED"
    finally:
        later.close()


def test_deleting_a_job_keeps_its_runs(deck: Deck) -> None:
    job = deck.jobs.create(title="A", type="greet")
    run = deck.runs.start(str(job.id))
    deck.jobs.delete(str(job.id))
    assert deck.runs.get(run.id).job_id == job.id
    assert [one.id for one in deck.runs.list(RunFilter(job_id=job.id)).items] == [run.id]


def test_pages_by_number_and_by_cursor_agree(deck: Deck) -> None:
    ids = deck.runs.start_many("greet", [{"times": n} for n in range(57)])
    by_number = [run.id for n in range(1, 8) for run in deck.runs.list(page=Page(number=n, size=10)).items]
    by_cursor: list[str] = []
    before: str | None = None
    while items := deck.runs.list(page=Page(size=10, before=before)).items:
        by_cursor += [run.id for run in items]
        before = by_cursor[-1]
    assert by_number == by_cursor == list(reversed(ids))


def test_lists_take_a_few_statements_however_much_there_is(
    deck: Deck, statements: Callable[[Callable[[], Any]], int]
) -> None:
    def fill(jobs: int, runs: int) -> None:
        for number in range(jobs):
            job = deck.jobs.create(title=f"Job {number}", type="greet")
            deck.runs.start_many(str(job.id), [{}] * runs)

    def look() -> tuple[int, int, int]:
        return (
            statements(lambda: deck.jobs.list(JobFilter(), Page(size=100))),
            statements(lambda: deck.runs.list(page=Page(size=100))),
            statements(lambda: deck.runs.list(RunFilter(type="greet", text="x"))),
        )

    fill(2, 1)
    few = look()
    fill(98, 20)
    assert deck.jobs.list().total == 100
    assert look() == few
    assert max(few) <= 3


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM jobdeck_run WHERE tenant = 'default' ORDER BY id DESC LIMIT 26",
        "SELECT id FROM jobdeck_run WHERE status = 'QUEUED' AND parked = 0 AND queue = 'default'"
        " ORDER BY order_at, id LIMIT 5",
        "SELECT id FROM jobdeck_run WHERE status = 'RUNNING' AND owner = 'x' AND stop_requested_at IS NOT NULL",
        "SELECT * FROM jobdeck_log_entry WHERE run_id = 'x' AND tenant = 'default' AND seq > 5 ORDER BY seq LIMIT 500",
        "SELECT * FROM jobdeck_run WHERE job_id = 'x' AND tenant = 'default' ORDER BY id DESC LIMIT 26",
    ],
)
def test_hot_queries_search_an_index(deck: Deck, database_url: str, query: str) -> None:
    with deck.database.read() as connection:
        plan = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]
    assert all(step.startswith("SEARCH") for step in plan), plan


json_objects = st.dictionaries(
    st.text(max_size=20), st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=50), max_size=5
)


@settings(max_examples=40)
@given(value=json_objects, title=st.text(min_size=1, max_size=60))
def _any_text_is_kept(deck: Deck, value: dict[str, Any], title: str) -> None:
    try:
        run = deck.enqueue("json:dumps", [value], title=title)
    except JobdeckError:
        assert not title.strip()
        return
    stored = deck.runs.get(run.id)
    assert stored == run
    assert json.loads(json.dumps(stored.positional[0])) == stored.positional[0]


def test_any_text_is_kept_alike(deck: Deck) -> None:
    _any_text_is_kept(deck)


def test_workers_are_listed_for_their_tenant_only(deck: Deck) -> None:
    now = from_us(deck.office.clock.now_us())
    worker = WorkerInfo(
        id=AN_ID, host="host", pid=1, pid_started=1, boot_id="boot", queues=("default",), types=("greet",), processes=2,
        started_at=now, seen_at=now,
    )  # fmt: skip
    Presence(deck.database, worker).begin(deck.office.clock.now_us())
    assert [one.id for one in deck.workers.list()] == [AN_ID]
    assert deck.acting_as(STRANGER).workers.list() == []


def test_counts_are_by_tenant(deck: Deck) -> None:
    deck.runs.start("greet")
    assert deck.acting_as(STRANGER).runs.waiting() == 0
    assert deck.runs.waiting() == 1
    with deck.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(tables.runs)).scalar_one() == 1
