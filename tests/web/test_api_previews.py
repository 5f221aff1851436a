"""Looking ahead and back over the JSON interface: previews, simulations, what is overdue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update

from jobdeck import Deck
from jobdeck.core.times import to_us
from jobdeck.store import tables

Wrong = Callable[[Any], dict[str, str]]
NIGHTLY = {"type": "cron", "expression": "30 2 * * *"}
IN_BERLIN = {"recurrence": NIGHTLY, "time_zone": "Europe/Berlin", "after": "2027-03-27T12:00:00+01:00"}


@pytest.fixture
def schedule(deck: Deck, new_job: Callable[..., dict[str, Any]]) -> dict[str, str]:
    """Saved, with the ids of it and its job."""
    job = new_job()
    return {"job_id": job["id"], "id": deck.schedules.create(job["id"], NIGHTLY, time_zone="Europe/Berlin").id}


def test_a_preview_of_what_is_not_saved(api: Any) -> None:
    answer = api.post("/api/schedules/preview", json={**IN_BERLIN, "count": 2})
    assert answer.status_code == 200
    body = answer.json
    assert body["description"] == "At 02:30, every day (Europe/Berlin)"
    assert body["times"] == [
        {
            "at": "2027-03-28T01:00:00.000000+00:00",
            "local": "2027-03-28T03:00:00+02:00",
            "note": "02:30 does not exist on 28 March 2027: it runs at 03:00, the first moment after.",
        },
        {"at": "2027-03-29T00:30:00.000000+00:00", "local": "2027-03-29T02:30:00+02:00", "note": None},
    ]
    assert [one["at"][:10] for one in body["clock_changes"]] == ["2027-03-28", "2027-10-31"]
    assert (body["time_zone"], body["is_complete"], body["collisions"]) == ("Europe/Berlin", False, [])
    assert body["collisions_are_complete"] and body["tzdata"]


def test_a_preview_tells_who_else_fires_then(api: Any, schedule: dict[str, str]) -> None:
    (other,) = api.post("/api/schedules/preview", json=IN_BERLIN).json["collisions"]
    assert (other["schedule_id"], other["job_id"], other["job_title"], other["count"]) == (
        schedule["id"], schedule["job_id"], "Greet Ada", 10)  # fmt: skip
    assert api.get(other["links"]["schedule"]).status_code == 200
    body = {**IN_BERLIN, "schedule_id": schedule["id"], "misfire": "skip", "overlap": "allow", "args": {"name": "Eve"}}
    assert api.post("/api/schedules/preview", json=body).json["collisions"] == []


def test_what_cannot_be_previewed_is_named(api: Any, wrong_fields: Wrong) -> None:
    def refused(**body: Any) -> dict[str, str]:
        return wrong_fields(api.post("/api/schedules/preview", json=body))

    assert "recurrence" in refused()
    assert "recurrence" in refused(recurrence=None)
    assert refused(recurrence=[1]).keys() <= {"recurrence", "recurrence._schema"}
    assert "0 2 * * *" in refused(recurrence={"type": "cron", "expression": "banana"})["recurrence.expression"]
    assert "Europe/Berlin" in refused(recurrence=NIGHTLY, time_zone="Europe/Berln")["time_zone"]
    assert "count" in refused(recurrence=NIGHTLY, count=1000)
    assert "count" in refused(recurrence=NIGHTLY, count="many")
    assert "after" in refused(recurrence=NIGHTLY, after="2027-03-27")
    assert "schedule_id" in refused(recurrence=NIGHTLY, schedule_id="x")
    assert refused(recurrence=NIGHTLY, colour="red") == {"colour": "Unknown field."}
    unknown = {"recurrence": NIGHTLY, "schedule_id": "01890000-0000-7000-8000-000000000000"}
    assert api.post("/api/schedules/preview", json=unknown).status_code == 404


def test_all_schedules_in_order(api: Any, deck: Deck, schedule: dict[str, str], wrong_fields: Wrong) -> None:
    # As a browser's address line sends it, with the plus sign as it is.
    answer = api.get("/api/schedules/simulate?from=2027-03-27T12:00:00+01:00&to=2027-03-30T00:00:00%2B02:00")
    assert answer.status_code == 200
    first, second = answer.json["hits"]["hits"]
    assert first == {
        "at": "2027-03-28T01:00:00.000000+00:00",
        "local": "2027-03-28T03:00:00+02:00",
        "time_zone": "Europe/Berlin",
        "schedule_id": schedule["id"],
        "job_id": schedule["job_id"],
        "job_title": "Greet Ada",
        "collides": False,
        "links": {"schedule": f"http://localhost/api/schedules/{schedule['id']}"},
    }
    assert second["local"] == "2027-03-29T02:30:00+02:00"
    assert answer.json["is_complete"] and answer.json["hits"]["total"] == 2
    assert api.get(answer.json["links"]["self"]).json == answer.json
    week = "from=2027-04-01T00:00:00Z&to=2027-04-08T00:00:00Z"
    cut = api.get(f"/api/schedules/simulate?{week}&limit=3").json
    assert (cut["hits"]["total"], cut["is_complete"]) == (3, False)
    nobody = "01890000-0000-7000-8000-000000000000"
    assert api.get(f"/api/schedules/simulate?{week}&job_id={nobody}").json["hits"]["hits"] == []
    assert {"from", "to"} == wrong_fields(api.get("/api/schedules/simulate")).keys()
    assert "to" in wrong_fields(api.get("/api/schedules/simulate?from=2027-04-01T00:00:00Z&to=2029-04-01T00:00:00Z"))
    assert "job_id" in wrong_fields(api.get(f"/api/schedules/simulate?{week}&job_id=x"))
    assert "limit" in wrong_fields(api.get(f"/api/schedules/simulate?{week}&limit=0"))


def test_what_is_overdue(api: Any, deck: Deck, schedule: dict[str, str]) -> None:
    assert api.get("/api/overdue").json["hits"] == {"hits": [], "total": 0}
    due = datetime(2026, 1, 1, 1, 30, tzinfo=UTC)
    with deck.database.write() as connection:
        connection.execute(update(tables.schedules).values(next_fire_at=to_us(due)))
    (one,) = api.get("/api/overdue").json["hits"]["hits"]
    assert (one["kind"], one["since"], one["run_id"]) == ("not_served", "2026-01-01T01:30:00.000000+00:00", None)
    assert (one["schedule_id"], one["job_id"], one["job_title"]) == (schedule["id"], schedule["job_id"], "Greet Ada")
    assert "planned for 02:30 on 1 January 2026 (Europe/Berlin)" in one["message"]
    assert api.get(one["links"]["schedule"]).status_code == 200


@pytest.mark.parametrize("path", ["/api/overdue", "/api/schedules/simulate", "/api/schedules/preview"])
def test_nobody_looks_ahead_without_signing_in(anonymous: Any, path: str) -> None:
    answer = anonymous.post(path, json=IN_BERLIN) if path.endswith("preview") else anonymous.get(path)
    assert answer.status_code == 401


def test_other_tenants_are_not_looked_at(api: Any, deck: Deck, schedule: dict[str, str]) -> None:
    with deck.database.write() as connection:
        connection.execute(update(tables.schedules).values(tenant="other", next_fire_at=1))
    assert api.get("/api/overdue").json["hits"]["hits"] == []
    span = "from=2027-04-01T00:00:00Z&to=2027-04-08T00:00:00Z"
    assert api.get(f"/api/schedules/simulate?{span}").json["hits"]["hits"] == []
    assert api.post("/api/schedules/preview", json=IN_BERLIN).json["collisions"] == []
    body = {**IN_BERLIN, "schedule_id": schedule["id"]}
    assert api.post("/api/schedules/preview", json=body).status_code == 404
