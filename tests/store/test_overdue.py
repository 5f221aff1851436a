"""What is late is found among live runs and due schedules, however long the history is. SQLite tells its plans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from jobdeck import Deck
from jobdeck.store import overdue


@pytest.mark.parametrize("tenant", [None, "default"])
@pytest.mark.parametrize(
    ("find", "index"),
    [
        (overdue.not_started, "jobdeck_run_live_of_schedule"),
        (overdue.running_long, "jobdeck_run_live_of_schedule"),
        (overdue.not_served, "jobdeck_schedule_due"),
    ],
)
def test_what_is_late_is_found_by_an_index(tmp_path: Path, find: Any, index: str, tenant: str | None) -> None:
    deck = Deck(home=tmp_path)
    deck.upgrade_database()
    seen: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        seen.append((statement, parameters))

    with deck.database.read() as connection:
        event.listen(deck.database.engine, "before_cursor_execute", note)
        assert find(connection, tenant, 1) == []
        event.remove(deck.database.engine, "before_cursor_execute", note)
        statement, parameters = seen[-1]
        steps = [str(row[-1]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    deck.close()
    tables = [step for step in steps if step.split()[1] in ("r", "p", "s", "j")]
    assert tables and all(step.startswith("SEARCH") for step in tables), steps
    assert any(index in step for step in tables), steps
