"""A value that no database takes costs its own piece of a report, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from jobdeck import Deck
from jobdeck.core.outcome import Outcome, OutcomeKind
from jobdeck.processes.salvage import salvage, unknown_to
from jobdeck.services.claims import Claims, Report
from jobdeck.services.holder import Holder

Place = Any


def test_piece_by_piece(database_url: str, tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    deck = Deck(job_types=["work_site"], home=tmp_path, database_url=database_url)
    deck.upgrade_database()
    ids = deck.runs.start_many("add", [{"a": 1}] * 3)
    holder = Holder(id="w", host="h", boot_id="b")
    claims = Claims(deck.database, holder, ["default"], ["add"])
    now = 1_700_000_000_000_000
    good, bad, logs = claims.exchange(Report(), 3, 2**52).won
    unknown = unknown_to({(good.id, good.fence)}, claims.held())
    assert sorted(one.id for one in unknown) == sorted([bad.id, logs.id])
    report = Report()
    report.ended = [
        (good, Outcome(kind=OutcomeKind.SUCCESS, result="1", ended_us=now)),
        (bad, Outcome(kind=OutcomeKind.SUCCESS, errored_entries=2**80, ended_us=now)),
        (logs, Outcome(kind=OutcomeKind.SUCCESS, ended_us=now)),
    ]
    report.progress = {logs.id: (2**90, None, None, logs.id, "w", logs.fence)}
    report.log_heads = {good.id: (1, good.id, "w", good.fence, 0)}
    report.log_entries = [(good.id, 1, "default", 1, now, 20, "l", "kept", None)]
    with pytest.raises(Exception, match=r"(?i)int|range|big"):
        claims.exchange(report, 0, now)
    assert {deck.runs.get(one).status for one in ids} == {"RUNNING"}
    salvage(claims, report, now)
    found = [deck.runs.get(one.id) for one in (good, bad, logs)]
    assert [run.status for run in found] == ["SUCCESS", "FAILED", "SUCCESS"]
    assert found[1].message and found[1].message.startswith("What this run came to (success) cannot be stored: ")
    assert [entry.message for entry in deck.runs.logs(good.id).entries] == ["kept"]
    assert "cannot be stored" in caplog.text
    deck.close()
