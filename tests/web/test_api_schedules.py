"""Schedules over the JSON interface, as a script uses them; and the one schedule that a job itself has a field for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from jobdeck import Deck
from jobdeck.core.times import from_us
from jobdeck.services.accounts import Session
from jobdeck.store import tables
from jobdeck.store.firing import add_ticks

AN_ID = "01890000-0000-7000-8000-000000000000"
HOME = "http://localhost"
KEYS = {
    "id", "job_id", "job_title", "recurrence", "description", "time_zone", "starts_at", "ends_at", "max_count", "count",
    "jitter", "misfire", "misfire_window", "overlap", "args", "custom_args", "next_fire_at", "next_fire_at_local",
    "last_fire_at", "paused", "problem", "principal", "tzdata", "created", "updated", "links",
}  # fmt: skip
NIGHTLY = {"type": "crontab", "minute": "0", "hour": "2"}
NIGHTLY_FULL = {**NIGHTLY, "day_of_week": "*", "day_of_month": "*", "month_of_year": "*"}
Made = Callable[..., dict[str, Any]]
Wrong = Callable[[Any], dict[str, str]]


@pytest.fixture
def job(new_job: Made) -> dict[str, Any]:
    return new_job()


@pytest.fixture
def new_schedule(api: Any, job: dict[str, Any]) -> Made:
    """Saves a schedule of the job, with changed fields."""

    def save(**changes: Any) -> dict[str, Any]:
        response = api.post(f"/api/jobs/{job['id']}/schedules", json={"recurrence": NIGHTLY, **changes})
        assert response.status_code == 201, response.json
        return dict(response.json)

    return save


def plain(schedule: dict[str, Any]) -> dict[str, Any]:
    return {**schedule, "updated": ""}


def test_a_schedule_has_one_shape_everywhere(api: Any, job: dict[str, Any], new_schedule: Made) -> None:
    made = new_schedule(time_zone="Europe/Berlin", jitter="5m")
    assert set(made) == KEYS
    assert made["recurrence"] == NIGHTLY_FULL
    assert (made["job_id"], made["job_title"]) == (job["id"], "Greet Ada")
    assert (made["time_zone"], made["jitter"], made["misfire"], made["overlap"]) == (
        "Europe/Berlin",
        300,
        "once",
        "skip",
    )
    assert "02:00" in made["description"] and "Europe/Berlin" in made["description"]
    assert made["principal"]["username"] == "Ada" and made["principal"]["id"].startswith("token:")
    assert (made["paused"], made["problem"], made["count"], made["last_fire_at"]) == (None, None, 0, None)
    at, local = datetime.fromisoformat(made["next_fire_at"]), datetime.fromisoformat(made["next_fire_at_local"])
    assert at == local and made["next_fire_at"].endswith("+00:00")
    assert (local.hour, local.minute) == (2, 0)
    assert local.utcoffset() == at.astimezone(ZoneInfo("Europe/Berlin")).utcoffset()
    address = f"http://localhost/api/schedules/{made['id']}"
    assert made["links"] == {
        "self": address, "job": f"http://localhost/api/jobs/{job['id']}", "ticks": f"{address}/ticks",
        "self_admin_html": f"http://localhost/administration/schedules/{made['id']}",
        "pause": f"{address}/actions/pause", "resume": f"{address}/actions/resume",
    }  # fmt: skip
    assert api.get(f"/api/schedules/{made['id']}").json == made
    assert api.get("/api/schedules").json["hits"]["hits"] == [made]
    assert api.get(f"/api/jobs/{job['id']}/schedules").json["hits"] == {"hits": [made], "total": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"recurrence": {"type": "cron", "expression": "*/7 4-6 * * mon"}, "args": {"name": "Bo"}},
        {"recurrence": {"type": "interval", "hours": 1, "minutes": "30"}, "custom_args": '{"odd": [1]}'},
        {"recurrence": {"type": "once", "at": "2100-01-31T02:00:00"}, "time_zone": "Asia/Tokyo"},
        {
            "starts_at": "2090-01-01T00:00:00+02:00", "ends_at": "2091-01-01T00:00:00+00:00", "max_count": 5,
            "jitter": "90s", "misfire": "all", "misfire_window": "2d", "overlap": "stop_previous",
        },
    ],
    ids=lambda fields: str(fields)[:40],
)  # fmt: skip
def test_a_schedule_can_be_sent_back_as_it_was_read(api: Any, new_schedule: Made, fields: dict[str, Any]) -> None:
    made = new_schedule(**fields)
    assert api.put(f"/api/schedules/{made['id']}", json=made).json == made
    assert api.put(f"/api/schedules/{made['id']}", json={}).json == made
    changed = api.put(f"/api/schedules/{made['id']}", json={**made, "jitter": 5})
    assert plain(changed.json) == {**plain(made), "jitter": 5}


def test_what_a_change_leaves_out_stays_and_null_clears(api: Any, new_schedule: Made) -> None:
    made = new_schedule(time_zone="Asia/Tokyo", max_count=5, jitter=7, args={"name": "Bo"}, misfire_window="1h",
                        ends_at="2090-01-01T00:00:00+00:00")  # fmt: skip
    address = f"/api/schedules/{made['id']}"
    for method in (api.put, api.patch):
        assert plain(method(address, json={"overlap": "allow"}).json) == {**plain(made), "overlap": "allow"}
    nulls = dict.fromkeys(("time_zone", "max_count", "jitter", "args", "custom_args", "misfire_window", "ends_at"))
    cleared = api.patch(address, json=nulls).json
    assert {name: cleared[name] for name in nulls} == {**nulls, "time_zone": "UTC", "jitter": 0}


def test_pausing_and_resuming(api: Any, new_schedule: Made, wrong_fields: Wrong) -> None:
    made = new_schedule()
    paused = api.post(made["links"]["pause"], json={"reason": "Moving house"})
    assert paused.status_code == 200
    assert (paused.json["paused"]["by"], paused.json["paused"]["reason"]) == ("Ada", "Moving house")
    assert datetime.fromisoformat(paused.json["paused"]["at"])
    assert api.post(made["links"]["pause"]).json == paused.json
    assert api.get("/api/schedules?paused=true").json["hits"]["total"] == 1
    assert api.get("/api/schedules?paused=false").json["hits"]["total"] == 0
    assert api.put(f"/api/schedules/{made['id']}", json=paused.json).json == paused.json
    resumed = api.post(made["links"]["resume"]).json
    assert plain(resumed) == plain(made)
    assert "reason" in wrong_fields(api.post(made["links"]["pause"], json={"reason": 5}))
    assert "until" in wrong_fields(api.post(made["links"]["pause"], json={"until": "tomorrow"}))
    assert "reason" in wrong_fields(api.post(made["links"]["resume"], json={"reason": "x"}))


def test_deleting(api: Any, job: dict[str, Any], new_schedule: Made) -> None:
    made, other = new_schedule(), new_schedule()
    response = api.delete(f"/api/schedules/{made['id']}")
    assert (response.status_code, response.data) == (204, b"")
    assert api.get(f"/api/schedules/{made['id']}").status_code == 404
    assert api.delete(f"/api/jobs/{job['id']}").status_code == 204
    assert api.get(f"/api/schedules/{other['id']}").status_code == 404


def test_lists_are_narrowed_sorted_and_paged(api: Any, new_job: Made, new_schedule: Made) -> None:
    other = new_job(title="Weekly REPORT")
    soon = api.post(f"/api/jobs/{other['id']}/schedules", json={"recurrence": {"type": "interval", "seconds": 1}}).json
    late = new_schedule(starts_at="2090-01-01T00:00:00+00:00")

    def ids(query: str) -> list[str]:
        return [one["id"] for one in api.get(f"/api/schedules?{query}").json["hits"]["hits"]]

    assert ids("") == [soon["id"], late["id"]]
    assert ids("q=report") == ids(f"job_id={other['id']}") == [soon["id"]]
    assert ids("q=%25") == ids("q=%00") == []
    first = api.get("/api/schedules?size=1&q=e").json
    assert (first["hits"]["total"], first["sortBy"], first["page"]) == (2, ["next_fire_at"], 1)
    second = api.get(first["links"]["next"]).json
    assert [one["id"] for one in second["hits"]["hits"]] == [late["id"]]
    assert api.get(second["links"]["prev"]).json["hits"] == first["hits"]
    assert "next" not in second["links"]
    for query in ("size=0", "size=101", "page=0", "paused=maybe", "job_id=nightly"):
        assert api.get(f"/api/schedules?{query}").status_code == 400, query


def test_what_became_of_planned_times(api: Any, deck: Deck, new_schedule: Made) -> None:
    made = new_schedule(time_zone="Asia/Tokyo")
    start, minute = 1_790_000_000_000_000, 60_000_000
    kinds = [
        ("fired", None, None, AN_ID),
        ("skipped", "overlap", "A run is going.", None),
        ("missed", "late", None, None),
    ]
    with deck.database.write() as connection:
        add_ticks(connection, [
            (made["id"], start + n * minute, "default", *kinds[n % 3], start + n * minute + 5) for n in range(30)
        ])  # fmt: skip
    address = f"/api/schedules/{made['id']}/ticks"
    body = api.get(address).json
    assert (body["hits"]["total"], body["hits"]["total_is_exact"], len(body["hits"]["hits"])) == (30, True, 25)
    newest, skipped, fired = body["hits"]["hits"][:3]
    assert newest["fire_at"] == from_us(start + 29 * minute).isoformat(timespec="microseconds")
    local = datetime.fromisoformat(newest["fire_at_local"])
    assert local == datetime.fromisoformat(newest["fire_at"]) and local.utcoffset() == timedelta(hours=9)
    assert (newest["kind"], newest["reason"], newest["detail"], newest["run_id"]) == ("missed", "late", None, None)
    assert (skipped["kind"], skipped["reason"], skipped["detail"]) == ("skipped", "overlap", "A run is going.")
    assert (fired["kind"], fired["run_id"]) == ("fired", AN_ID)
    assert fired["links"]["run"] == f"http://localhost/api/runs/{AN_ID}"
    rest = api.get(body["links"]["next"]).json
    assert len(rest["hits"]["hits"]) == 5
    before = api.get(address, query_string={"before": fired["fire_at"], "size": 1}).json
    assert before["hits"]["hits"][0]["kind"] == "missed"
    following = api.get(before["links"]["next"]).json["hits"]["hits"]
    assert [one["kind"] for one in following] == ["skipped"]
    # A plus sign in an address means a space, and not everybody writes it out.
    assert api.get(f"{address}?before={fired['fire_at']}&size=1").json["hits"] == before["hits"]
    for query in ("before=yesterday", "before=2026-01-01", "size=101", "page=402"):
        assert api.get(f"{address}?{query}").status_code == 400, query


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "recurrence"),
        ({"recurrence": None}, "recurrence"),
        ({"recurrence": "banana"}, "recurrence._schema"),
        ({"recurrence": {"type": "cron", "expression": "banana"}}, "recurrence.expression"),
        ({"recurrence": {"type": "cron", "expression": "61 * * * *"}}, "recurrence.expression"),
        ({"recurrence": {"type": "cron", "expression": "0 0 30 2 *"}}, "recurrence.expression"),
        ({"recurrence": {"type": "cron", "expression": "0 0 \u0000 * *"}}, "recurrence.expression"),
        ({"recurrence": {"type": "crontab", "minute": 0}}, "recurrence.minute"),
        ({"recurrence": {"type": "interval", "minutes": 0}}, "recurrence._schema"),
        ({"recurrence": {"type": "interval", "minutes": 1e300}}, "recurrence.minutes"),
        ({"recurrence": {"type": "once", "at": "2001-01-01T00:00:00"}}, "recurrence.at"),
        ({"recurrence": NIGHTLY, "time_zone": "Mars/Olympus"}, "time_zone"),
        ({"recurrence": NIGHTLY, "time_zone": {"a": 1}}, "time_zone"),
        ({"recurrence": NIGHTLY, "ends_at": "2001-01-01T00:00:00+00:00"}, "ends_at"),
        ({"recurrence": NIGHTLY, "starts_at": "2090-01-01T00:00:00"}, "starts_at"),
        ({"recurrence": NIGHTLY, "starts_at": [1]}, "starts_at"),
        ({"recurrence": NIGHTLY, "max_count": "five"}, "max_count"),
        ({"recurrence": NIGHTLY, "jitter": {"minutes": 5}}, "jitter"),
        ({"recurrence": NIGHTLY, "misfire": ["all"]}, "misfire"),
        ({"recurrence": NIGHTLY, "overlap": True}, "overlap"),
        ({"recurrence": NIGHTLY, "misfire_window": "soon"}, "misfire_window"),
        ({"recurrence": NIGHTLY, "args": [1]}, "args"),
        ({"recurrence": NIGHTLY, "args": {"nmae": "x", "name": "y"}}, "args.nmae"),
        ({"recurrence": NIGHTLY, "args": {"times": 1}}, "args.name"),
        ({"recurrence": NIGHTLY, "custom_args": "{nonsense"}, "custom_args"),
        ({"recurrence": NIGHTLY, "arguments": {}}, "arguments"),
        ({"recurrence": NIGHTLY, "principal_id": "system"}, "principal_id"),
        ({"recurrence": NIGHTLY, "tenant": "other"}, "tenant"),
        ({"recurrence": NIGHTLY, "": 1}, ""),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    api: Any, job: dict[str, Any], new_schedule: Made, body: dict[str, Any], field: str, wrong_fields: Wrong
) -> None:
    assert list(wrong_fields(api.post(f"/api/jobs/{job['id']}/schedules", json=body))) == [field]
    assert api.get("/api/schedules").json["hits"]["total"] == 0
    if body:
        made = new_schedule()
        assert list(wrong_fields(api.put(f"/api/schedules/{made['id']}", json=body))) == [field]
        assert api.get(f"/api/schedules/{made['id']}").json == made


ADDRESSES = [
    ("GET", ""), ("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/ticks"), ("POST", "/actions/pause"),
    ("POST", "/actions/resume"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "rest"), ADDRESSES)
def test_what_is_unknown_or_another_tenants_is_not_found(
    api: Any, new_schedule: Made, give_away: Callable[[str], None], method: str, rest: str, wrong_fields: Wrong
) -> None:
    made = new_schedule()
    give_away("other")
    for schedule_id in (made["id"], AN_ID):
        response = api.open(f"/api/schedules/{schedule_id}{rest}", method=method, json={})
        assert response.status_code == 404
        assert response.json["message"] == f"Schedule with ID {schedule_id} does not exist."
    assert "schedule_id" in wrong_fields(api.open(f"/api/schedules/nightly{rest}", method=method, json={}))
    assert api.get("/api/schedules").json["hits"]["total"] == 0


def test_schedules_of_an_unknown_job_are_not_found(api: Any, wrong_fields: Wrong) -> None:
    address = f"/api/jobs/{AN_ID}/schedules"
    assert api.get(address).status_code == 404
    assert api.post(address, json={"recurrence": NIGHTLY}).status_code == 404
    assert "job_id" in wrong_fields(api.get("/api/jobs/nightly/schedules"))


def test_a_browser_must_mean_it(browser: Any, session: Session, new_schedule: Made) -> None:
    made = new_schedule()
    good = {"Origin": HOME, "X-CSRF-Token": session.csrf_token}
    for headers, status in (
        ({}, 403),
        ({"Origin": HOME}, 403),
        ({**good, "Origin": "http://evil.example"}, 403),
        (good, 200),
    ):
        response = browser.post(f"/api/schedules/{made['id']}/actions/pause", headers=headers)
        assert response.status_code == status, headers
    assert browser.delete(f"/api/schedules/{made['id']}").status_code == 403


def test_without_the_role_nothing_is_allowed(api: Any, deck: Deck, new_schedule: Made) -> None:
    made = new_schedule()
    with deck.database.write() as connection:
        connection.execute(update(tables.tokens).values(roles="[]"))
    for method, rest in ADDRESSES:
        assert api.open(f"/api/schedules/{made['id']}{rest}", method=method, json={}).status_code == 403, (method, rest)
    assert deck.schedules.get(made["id"]).pause is None


# The schedule of a job


def test_a_job_shows_its_schedule_and_its_next_run(api: Any, new_job: Made) -> None:
    job = new_job(schedule=NIGHTLY)
    assert job["schedule"] == NIGHTLY_FULL
    (one,) = api.get(f"/api/jobs/{job['id']}/schedules").json["hits"]["hits"]
    assert job["next_run"] == one["next_fire_at"]
    assert api.get(f"/api/jobs/{job['id']}").json == job
    assert api.get("/api/jobs").json["hits"]["hits"] == [job]
    paused = api.post(one["links"]["pause"]).json
    assert paused["paused"]
    shown = api.get(f"/api/jobs/{job['id']}").json
    assert (shown["schedule"], shown["next_run"]) == (NIGHTLY_FULL, None)


@pytest.mark.parametrize(
    "schedule",
    [
        NIGHTLY,
        {"type": "interval", "minutes": "15", "seconds": 1},
        {"type": "cron", "expression": "@daily"},
        {"type": "once", "at": "2100-01-31T02:00:00+01:00"},
    ],
    ids=lambda schedule: str(schedule["type"]),
)
def test_a_job_with_a_schedule_can_be_sent_back_as_it_was_read(
    api: Any, new_job: Made, schedule: dict[str, Any]
) -> None:
    job = new_job(schedule=schedule)
    before = api.get("/api/schedules").json["hits"]
    again = api.put(f"/api/jobs/{job['id']}", json=job)
    assert plain(again.json) == plain(job)
    assert api.get("/api/schedules").json["hits"] == before


def test_what_a_put_leaves_out_keeps_the_schedule_and_null_removes_it(api: Any, new_job: Made) -> None:
    job = new_job(schedule=NIGHTLY)
    address = f"/api/jobs/{job['id']}"
    for method in (api.put, api.patch):
        assert method(address, json={"title": "Renamed"}).json["schedule"] == NIGHTLY_FULL
    changed = api.patch(address, json={"schedule": {"type": "interval", "minutes": 5}}).json
    assert changed["schedule"] == {"type": "interval", "minutes": 5}
    assert api.get("/api/schedules").json["hits"]["total"] == 1
    removed = api.put(address, json={**changed, "schedule": None}).json
    assert (removed["schedule"], removed["next_run"]) == (None, None)
    assert api.get("/api/schedules").json["hits"]["total"] == 0


def test_the_list_of_jobs_survives_a_schedule_whose_type_is_gone(api: Any, deck: Deck, new_job: Made) -> None:
    job = new_job(schedule=NIGHTLY)
    with deck.database.write() as connection:
        connection.execute(update(tables.jobs).values(type="gone"))
    (shown,) = api.get("/api/jobs").json["hits"]["hits"]
    assert (shown["id"], shown["type_known"], shown["schedule"]) == (job["id"], False, NIGHTLY_FULL)
    assert api.get("/api/schedules").json["hits"]["hits"][0]["job_title"] == "Greet Ada"
