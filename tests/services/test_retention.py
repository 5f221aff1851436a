"""Old finished runs are deleted, and nothing else: by hand and slice by slice, on both databases."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Table, event, func, select

from jobdeck import Deck
from jobdeck.config import Settings
from jobdeck.core.ids import new_id
from jobdeck.core.principal import ADMINISTRATOR, Principal
from jobdeck.core.retention import parse
from jobdeck.core.run import FINAL_STATUSES, Status
from jobdeck.errors import Conflict, InvalidInput, NotAllowed
from jobdeck.services import leftovers, retention
from jobdeck.services.retention import prune_slice
from jobdeck.store import retention as runs_of_store
from jobdeck.store import tables

NOW_US = 1_790_000_000_000_000
HOUR_US = 3_600_000_000
DAY = 24
STRANGER = Principal(id="mallory", name="Mallory", roles=frozenset({ADMINISTRATOR}), tenant="other")


def row(type_name: str | None, status: str, age_h: float, **more: Any) -> dict[str, Any]:
    """A run that was made, and unless it is live has ended, so many hours ago."""
    at = NOW_US - int(age_h * HOUR_US)
    live = status in ("QUEUED", "RUNNING")
    return {
        "id": new_id_of_old(at), "tenant": "default", "job_id": None, "type": type_name, "function": None,
        "arguments": "{}", "queue": "default", "trigger": "api", "status": status, "available_at": at,
        "created_at": at, "started_at": at, "ended_at": None if live else at, "log_seq": 0, "parent_id": None, **more,
    }  # fmt: skip


def new_id_of_old(at_us: int) -> str:
    """An id of a moment gone by; that of `core.ids` never goes back in time."""
    made = new_id(NOW_US)
    millis = f"{at_us // 1000:012x}"
    return f"{millis[:8]}-{millis[8:]}{made[13:]}"


def store(deck: Deck, rows: Iterable[dict[str, Any]]) -> list[str]:
    """Insert runs, with what jobs and types remember of them; their ids."""
    rows = list(rows)
    last_run, run = tables.last_runs.c, tables.runs.c
    subject = func.coalesce(run.job_id, run.type)
    newest = select(run.tenant, subject, run.status, func.max(run.id)).where(
        run.status.in_(FINAL_STATUSES), run.parent_id.is_(None), subject.is_not(None)
    )
    with deck.database.write() as connection:
        connection.execute(tables.runs.insert(), rows)
        connection.execute(tables.last_runs.delete())
        connection.execute(tables.last_runs.insert().from_select(
            [last_run.tenant, last_run.subject, last_run.status, last_run.run_id],
            newest.group_by(run.tenant, subject, run.status),
        ))  # fmt: skip
    return [one["id"] for one in rows]


def left(deck: Deck) -> set[str]:
    with deck.database.read() as connection:
        return set(connection.execute(select(tables.runs.c.id)).scalars())


def how_many(deck: Deck, table: Table) -> int:
    with deck.database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def audit(deck: Deck, tenant: str = "default") -> list[Any]:
    query = select(tables.audit).where(tables.audit.c.tenant == tenant).order_by(tables.audit.c.id)
    with deck.database.read() as connection:
        return list(connection.execute(query))


def kept(deck: Deck, rules: str | None) -> Settings:
    return replace(deck.settings, retention=parse(rules))


def slices(deck: Deck, rules: str | None) -> list[int]:
    """What each call of a worker deleted, until nothing was left."""
    deleted = [prune_slice(deck.database, kept(deck, rules), NOW_US)]
    while deleted[-1]:
        deleted.append(prune_slice(deck.database, kept(deck, rules), NOW_US))
    return deleted


@pytest.mark.parametrize("rules", ["1h", "1", "1h,1", "greet/1h"])
def test_live_runs_stay_whatever_their_age(deck: Deck, rules: str) -> None:
    live = store(deck, [row("greet", status, 10_000 * DAY + n) for n, status in enumerate(["QUEUED", "RUNNING"] * 3)])
    finished = store(deck, [row("greet", "SUCCESS", 9_000 * DAY), row("greet", "FAILED", 9_000 * DAY)])
    found = deck.retention.prune(keep=rules)
    assert found.deleted == (1 if rules == "1" else 2)
    assert left(deck) - set(finished) == set(live)
    assert slices(deck, rules) == [0]


def test_everything_of_a_run_goes_and_nothing_of_another(deck: Deck) -> None:
    old, young = store(deck, [row("greet", "SUCCESS", 100 * DAY), row("greet", "SUCCESS", 10 * DAY)])
    hanging = (tables.attempts, tables.run_events, tables.log_entries, tables.files, tables.dependencies)
    with deck.database.write() as connection:
        for run_id, other in ((old, young), (young, young)):
            of_run = {"run_id": run_id, "tenant": "default"}
            connection.execute(tables.attempts.insert(), {
                **of_run, "attempt": 1, "fence": 1, "worker_id": "w", "host": "h",
            })  # fmt: skip
            connection.execute(tables.run_events.insert(), {
                **of_run, "id": new_id(NOW_US), "at": 1, "from_status": "QUEUED", "to_status": "RUNNING",
                "actor": "w", "fence": 1,
            })  # fmt: skip
            connection.execute(tables.log_entries.insert(), [
                {**of_run, "seq": n, "attempt": 1, "at": 1, "level": 20, "logger": "x", "message": "y"}
                for n in range(20)
            ])  # fmt: skip
            connection.execute(tables.files.insert(), {
                **of_run, "direction": "output", "name": "a", "media_type": "text/plain", "size": 1, "sha256": "",
                "path": f"{run_id}/1-1/a", "created_at": 1,
            })  # fmt: skip
            depends = {"after_id": other, "need": "success", "resolved_at": 1}
            connection.execute(tables.dependencies.insert(), {**of_run, **depends})
            place = deck.settings.files_folder / run_id / "1-1"
            place.mkdir(parents=True)
            (place / "a").write_bytes(b"x")
        connection.execute(tables.dependencies.insert(), {**of_run, **depends, "after_id": old})
    before = {table.name: how_many(deck, table) for table in hanging}
    assert before == {"jobdeck_attempt": 2, "jobdeck_run_event": 2, "jobdeck_log_entry": 40, "jobdeck_file": 2,
                      "jobdeck_dependency": 3}  # fmt: skip
    assert deck.retention.prune(keep="90d").deleted == 1
    assert left(deck) == {young}
    after = {table.name: how_many(deck, table) for table in hanging}
    assert after == {"jobdeck_attempt": 1, "jobdeck_run_event": 1, "jobdeck_log_entry": 20, "jobdeck_file": 1,
                     "jobdeck_dependency": 1}  # fmt: skip
    with deck.database.read() as connection:
        for table in hanging:
            assert set(connection.execute(select(table.c.run_id)).scalars()) == {young}, table.name
    assert [path.name for path in deck.settings.files_folder.iterdir()] == [young]
    assert deck.runs.get(young).id == young


def test_ages_by_type_and_status(deck: Deck) -> None:
    cases = [
        # type, status, days → whether it stays
        (("greet", "SUCCESS", 29), True), (("greet", "SUCCESS", 31), False),
        (("greet", "FAILED", 364), True), (("greet", "FAILED", 366), False),
        (("greet", "WARNING", 89), True), (("greet", "WARNING", 91), False),
        (("harvest", "SUCCESS", 6), True), (("harvest", "SUCCESS", 8), False),
        (("harvest", "FAILED", 13), True), (("harvest", "FAILED", 15), False),
    ]  # fmt: skip
    ids = store(deck, [row(name, status, days * DAY) for (name, status, days), _ in cases])
    function = {"function": "reports.tasks:send"}
    ids += store(deck, [row(None, "SUCCESS", hours, **function) for hours in (1, 3)])
    assert deck.retention.prune(
        keep="90d, SUCCESS=30d, FAILED=365d, harvest/2w, harvest/SUCCESS=7d, reports.tasks:send/2h"
    ).counts == {
        ("greet", Status.SUCCESS): 1, ("greet", Status.FAILED): 1, ("greet", Status.WARNING): 1,
        ("harvest", Status.SUCCESS): 1, ("harvest", Status.FAILED): 1, ("reports.tasks:send", Status.SUCCESS): 1,
    }  # fmt: skip
    assert left(deck) == {run_id for run_id, stays in zip(ids, [*(s for _, s in cases), True, False], strict=True)
                          if stays}  # fmt: skip


def test_what_took_long_is_as_old_as_its_end(deck: Deck) -> None:
    ended = {"ended_at": NOW_US - 10 * DAY * HOUR_US}
    (run_id,) = store(deck, [row("greet", "SUCCESS", 300 * DAY, **ended)])
    assert deck.retention.prune(keep="11d").deleted == 0
    assert deck.retention.prune(keep="9d").deleted == 1
    assert run_id not in left(deck)


def test_the_newest_of_each_type_are_kept(deck: Deck) -> None:
    greet = store(deck, [row("greet", "SUCCESS", n) for n in range(1, 8)])
    failed = store(deck, [row("greet", "FAILED", n) for n in range(8, 12)])
    harvest = store(deck, [row("harvest", "SUCCESS", n) for n in range(20, 24)])
    functions = store(deck, [row(None, "SUCCESS", n, function=f"m:f{n % 2}") for n in range(30, 36)])
    store(deck, [row("greet", "QUEUED", 0.5)])
    assert deck.retention.prune(keep="2, greet/3, FAILED=1").deleted == 8 + 2 + 2
    kept_ids = {*greet[:3], *harvest[:2], *functions[:4]}
    assert {one for one in left(deck) if one in {*greet, *failed, *harvest, *functions}} == kept_ids
    assert deck.retention.prune(keep="greet/SUCCESS=1, 100d").counts == {("greet", Status.SUCCESS): 2}


def test_too_old_or_too_many(deck: Deck) -> None:
    ids = store(deck, [row("greet", "SUCCESS", n * DAY) for n in (1, 2, 3, 40, 50)])
    assert deck.retention.prune(keep="30d, 4", dry_run=True).deleted == 2
    assert deck.retention.prune(keep="45d, 2").deleted == 3
    assert left(deck) == set(ids[:2])


def test_a_worker_deletes_slice_by_slice_the_oldest_first(deck: Deck) -> None:
    old = store(deck, [row("greet", "SUCCESS", 100 * DAY - n / 100) for n in range(1200)])
    young = store(deck, [row("greet", "SUCCESS", DAY)])
    assert prune_slice(deck.database, kept(deck, "90d"), NOW_US) == 500
    assert left(deck) == {*old[500:], *young}
    assert slices(deck, "90d") == [500, 200, 0]
    assert left(deck) == set(young)
    told = audit(deck)
    assert [(one.action, one.principal_id, bool(one.allowed)) for one in told] == [("runs.prune", "system", True)] * 3
    assert [deck.audit.list().items[n].after for n in (2, 0)] == [
        {"count": count, "by_status": {"SUCCESS": count}, "rules": ["90d"]} for count in (500, 200)
    ]
    assert slices(deck, "90d") == [0]
    later = store(deck, [row("greet", "FAILED", 95 * DAY)])
    assert slices(deck, "90d") == [1, 0]
    assert not left(deck) & set(later)


def test_no_transaction_deletes_more_than_a_slice(deck: Deck) -> None:
    store(deck, [row("greet", "SUCCESS", 100 * DAY) for _ in range(1100)])
    transactions = [0]

    def count(connection: Any, cursor: Any, statement: str, given: Any, *more: Any) -> None:
        if statement.startswith("DELETE FROM jobdeck_attempt"):
            transactions[-1] += len(given)

    event.listen(deck.database.engine, "before_cursor_execute", count)
    event.listen(deck.database.engine, "commit", lambda connection: transactions.append(0))
    assert deck.retention.prune(keep="90d").deleted == 1100
    assert [ids for ids in transactions if ids] == [500, 500, 100]


def test_runs_with_long_logs_go_a_few_at_a_time(deck: Deck) -> None:
    store(deck, [row("greet", "SUCCESS", 100 * DAY, log_seq=seq) for seq in (15_000, 4_000, 2_000, 50_000, 1)])
    assert slices(deck, "90d") == [2, 1, 1, 1, 0]


def test_a_call_looks_at_a_bounded_number_of_runs(deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "LOOK_LIMIT", 20)
    monkeypatch.setattr(retention, "_PAGE", 10)
    store(deck, [row("greet", "FAILED", 200 * DAY - n) for n in range(45)])
    store(deck, [row("greet", "SUCCESS", 100 * DAY)])
    assert [prune_slice(deck.database, kept(deck, "SUCCESS=90d"), NOW_US) for _ in range(4)] == [20, 20, 1, 0]
    store(deck, [row("greet", "SUCCESS", 100 * DAY)])
    assert deck.retention.prune(keep="FAILED=5, SUCCESS=90d").deleted == 41


def test_a_young_history_is_not_even_looked_at(deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "LOOK_LIMIT", 10)
    monkeypatch.setattr(retention, "_PAGE", 10)
    store(deck, [row("greet", "SUCCESS", 80 * DAY) for _ in range(50)])
    old = store(deck, [row("greet", "SUCCESS", 91 * DAY) for _ in range(3)])
    walk = retention.Walk("default", parse("90d") or (), NOW_US)
    assert [run.id for run in walk.next_due(deck.database)] == sorted(old)
    assert walk.is_over


def test_runs_are_found_by_an_index(deck: Deck) -> None:
    if not deck.database.is_sqlite:
        return  # a planner that knows how few runs there are reads them all
    store(deck, [row("greet", "SUCCESS", n * DAY) for n in range(100)])
    said: list[tuple[str, Any]] = []
    event.listen(deck.database.engine, "before_cursor_execute", lambda *a: said.append((a[2], a[3])))
    assert deck.retention.prune(keep="50d, 70").deleted == 50
    asked = [(sql, given) for sql, given in said if "jobdeck_run " in sql and not sql.startswith("INSERT")]
    assert len(asked) >= 5
    with deck.database.read() as connection:
        for sql, given in asked:
            steps = [step.detail for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given)]
            assert steps and not [step for step in steps if step.startswith("SCAN")], (sql, steps)


@pytest.mark.parametrize("need", ["parent", "sub-run", "dependency"])
def test_what_a_live_run_needs_stays_until_that_has_ended(deck: Deck, need: str) -> None:
    needed, live = row("greet", "SUCCESS", 100 * DAY), row("greet", "QUEUED", 99 * DAY)
    if need == "parent":
        live["parent_id"] = needed["id"]
    elif need == "sub-run":
        needed["parent_id"] = live["id"]
    store(deck, [needed, live])
    other = store(deck, [row("greet", "SUCCESS", 100 * DAY), row("greet", "RUNNING", 1)])
    with deck.database.write() as connection:
        if need == "dependency":
            connection.execute(tables.dependencies.insert(), {
                "run_id": live["id"], "after_id": needed["id"], "tenant": "default", "need": "success",
            })  # fmt: skip
        # A live retry needs nothing of what it repeats.
        connection.execute(tables.runs.update().where(tables.runs.c.id == other[1]).values(retry_of=other[0]))
    assert deck.retention.prune(keep="90d", dry_run=True).deleted == 1
    assert slices(deck, "90d,1") == [1, 0]
    assert left(deck) == {needed["id"], live["id"], other[1]}
    with pytest.raises(Conflict, match="live run still needs"):
        deck.runs.delete(needed["id"])
    with deck.database.write() as connection:
        ended = {"status": "CANCELLED", "ended_at": NOW_US - DAY * HOUR_US}
        connection.execute(tables.runs.update().where(tables.runs.c.id == live["id"]).values(**ended))
    assert slices(deck, "90d") == [1, 0]
    assert left(deck) == {live["id"], other[1]}
    assert how_many(deck, tables.dependencies) == 0


def test_what_has_changed_since_it_was_read_stays(deck: Deck) -> None:
    """The statement itself refuses, whatever led to it."""
    ids = store(deck, [row("greet", "QUEUED", 5), row("greet", "RUNNING", 5), row("greet", "SUCCESS", 1),
                       row("greet", "SUCCESS", 5, tenant="other"), row("greet", "SUCCESS", 5)])  # fmt: skip
    with deck.database.write() as connection:
        gone = runs_of_store.remove(connection, "default", [*ids, new_id_of_old(1)], NOW_US - 2 * HOUR_US)
    assert gone == {ids[-1]}
    assert left(deck) == set(ids[:-1])


def test_jobs_and_types_know_their_last_runs_afterwards(deck: Deck) -> None:
    jobs = [str(deck.jobs.create(title=title, type="greet").id) for title in "AB"]
    of_job = [[row("greet", status, days * DAY, job_id=job) for days, status in
               ((10, "SUCCESS"), (20, "FAILED"), (30, "SUCCESS"), (100, "WARNING"))] for job in jobs]  # fmt: skip
    of_type = [row("greet", "SUCCESS", 5 * DAY), row("greet", "SUCCESS", 6 * DAY), row("greet", "FAILED", 200 * DAY)]
    # Ended last of all, though it began first.
    slow = row("greet", "SUCCESS", 40 * DAY, job_id=jobs[1], ended_at=NOW_US - 1)
    store(deck, [*of_job[0], *of_job[1], slow, *of_type])
    deck.retention.prune(keep="15d")
    assert remembered(deck) == {
        (jobs[0], "SUCCESS"): of_job[0][0]["id"], (jobs[1], "SUCCESS"): of_job[1][0]["id"],
        ("greet", "SUCCESS"): of_type[0]["id"],
    }  # fmt: skip
    assert {name: run.id for name, run in deck.jobs.get(jobs[0]).last_runs.items()} == {"success": of_job[0][0]["id"]}
    deck.retention.prune(keep="8d")
    assert remembered(deck) == {(jobs[1], "SUCCESS"): slow["id"], ("greet", "SUCCESS"): of_type[0]["id"]}
    assert deck.jobs.get(jobs[0]).last_runs == {}


def remembered(deck: Deck) -> dict[tuple[str, str], str]:
    with deck.database.read() as connection:
        return {(one.subject, one.status): one.run_id for one in connection.execute(select(tables.last_runs))}


def test_a_dry_run_says_what_a_prune_then_does(deck: Deck) -> None:
    store(deck, [row(name, status, 10 * n + 1) for n, name in enumerate(["greet", "harvest"] * 5)
                 for status in FINAL_STATUSES])  # fmt: skip
    before = left(deck)
    told = deck.retention.prune(keep="FAILED=2, greet/40h, 1", dry_run=True)
    assert (left(deck), audit(deck)) == (before, [])
    done = deck.retention.prune(keep="FAILED=2, greet/40h, 1")
    assert told == replace(done, dry_run=True)
    assert done.deleted == len(before) - len(left(deck)) == sum(done.counts.values()) > 0
    (row_of_audit,) = audit(deck)
    assert row_of_audit.action == "runs.prune"
    (entry,) = deck.audit.list().items
    by_status = Counter({status: 0 for _, status in done.counts})
    for (_, status), count in done.counts.items():
        by_status[status] += count
    assert entry.after == {
        "count": done.deleted, "by_status": dict(by_status), "rules": ["FAILED=2", "greet/40h", "1"],
    }  # fmt: skip


def test_without_rules_everything_is_kept(deck: Deck) -> None:
    ids = store(deck, [row("greet", "SUCCESS", 5_000 * DAY)])
    orphan = deck.settings.files_folder / new_id_of_old(1)
    orphan.mkdir(parents=True)
    os.utime(orphan, (1, 1))
    found = deck.retention.prune()
    assert (found.rules, found.deleted, found.folders, left(deck)) == (None, 0, 0, set(ids))
    assert slices(deck, None) == [0]
    assert orphan.exists()
    assert audit(deck) == []


def test_the_setting_is_what_counts_when_nothing_is_said(deck: Deck) -> None:
    ids = store(deck, [row("greet", "SUCCESS", days * DAY) for days in (1, 10, 100)])
    with closing(Deck(home=deck.settings.home, database_url=deck.settings.database_url, retention="50d",
                      clock=deck.office.clock)) as other:  # fmt: skip
        assert other.retention.prune(keep="200d").deleted == 0
        assert other.retention.prune(keep="none").rules is None
        assert other.retention.prune().deleted == 1
    assert left(deck) == set(ids[:2])


def test_a_wrong_rule_is_refused_and_nothing_is_deleted(deck: Deck) -> None:
    store(deck, [row("greet", "SUCCESS", 100 * DAY)])
    with pytest.raises(InvalidInput) as caught:
        deck.retention.prune(keep="90d, RUNNING=1d")
    (wrong,) = caught.value.errors
    assert (wrong.field, "no final status" in wrong.messages[0]) == ("keep", True)
    assert len(left(deck)) == 1


def test_only_whoever_may_and_only_the_own_tenant(deck: Deck) -> None:
    ours = store(deck, [row("greet", "SUCCESS", 100 * DAY) for _ in range(3)])
    theirs = store(deck, [row("greet", "SUCCESS", 100 * DAY, tenant="other") for _ in range(2)])
    with pytest.raises(NotAllowed):
        deck.acting_as(Principal(id="eve", name="Eve")).retention.prune(keep="1h")
    assert [(one.action, bool(one.allowed)) for one in audit(deck)] == [("runs.prune", False)]
    assert deck.acting_as(STRANGER).retention.prune(keep="1h").deleted == 2
    assert left(deck) == set(ours)
    assert [one.principal_id for one in audit(deck, "other")] == ["mallory"]
    assert not left(deck) & set(theirs)


def test_a_worker_prunes_every_tenant_and_counts_in_each(deck: Deck) -> None:
    for tenant in ("default", "other", "third"):
        store(deck, [row("greet", "SUCCESS", 100 * DAY + n, tenant=tenant) for n in range(4)])
    assert slices(deck, "3") == [1, 1, 1, 0]
    for tenant in ("default", "other", "third"):
        assert [one.principal_id for one in audit(deck, tenant)] == ["system"]


def test_two_workers_delete_together_what_one_would(deck: Deck) -> None:
    store(deck, [row("greet", "SUCCESS", 100 * DAY - n / 100) for n in range(3000)])
    deleted: list[int] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            with closing(Deck(home=deck.settings.home, database_url=deck.settings.database_url)) as other:
                deleted.extend(slices(other, "100"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sum(deleted) == 2900
    assert len(left(deck)) == 100
    assert sum((one.after or {})["count"] for one in deck.audit.list().items) == 2900


def test_folders_without_a_run_go_after_an_hour(deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "BATCH", 3)
    folder = deck.settings.files_folder
    kept_run, live = store(deck, [row("greet", "SUCCESS", 2), row("greet", "RUNNING", 2)])
    old, young = (NOW_US / 1e6 - seconds for seconds in (3700, 3500))
    orphans = [new_id_of_old(NOW_US - n * HOUR_US) for n in range(5)]
    fresh = new_id_of_old(NOW_US)
    for name, at in [*((orphan, old) for orphan in orphans), (fresh, young), ("keep-me", old), (kept_run, old),
                     (live, old)]:  # fmt: skip
        place = folder / name / "1-1"
        place.mkdir(parents=True)
        for file in ("done", "half.part", "new.part"):
            (place / file).write_bytes(b"x")
            os.utime(place / file, (old, young if file == "new.part" else old))
        os.utime(folder / name, (at, at))
    assert deck.retention.prune(keep="90d").folders == 5
    assert {path.name for path in folder.iterdir()} == {fresh, "keep-me", kept_run, live}
    names = {run_id: {path.name for path in (folder / run_id / "1-1").iterdir()} for run_id in (kept_run, live)}
    assert names == {kept_run: {"done", "new.part"}, live: {"done", "half.part", "new.part"}}


def test_a_worker_looks_at_the_folders_batch_by_batch(deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "BATCH", 2)
    folder = deck.settings.files_folder
    for n in range(5):
        place = folder / new_id_of_old(n)
        place.mkdir(parents=True)
        os.utime(place, (1, 1))
    remaining = []
    for _ in range(4):
        assert slices(deck, "90d") == [0]
        remaining.append(len(list(folder.iterdir())))
    assert remaining == [3, 1, 0, 0]
