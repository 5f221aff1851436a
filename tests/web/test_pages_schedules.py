"""The pages of schedules as a browser without scripts gets them; what scripts add is tested in `tests/browser`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from werkzeug.datastructures import MultiDict

from jobdeck import Deck, job_type
from jobdeck.core.ids import new_id
from jobdeck.core.principal import SYSTEM
from jobdeck.core.schedule import Schedule
from jobdeck.core.times import to_us
from jobdeck.core.worker import SchedulerInfo
from jobdeck.services.accounts import Session
from jobdeck.services.firing import Firing
from jobdeck.store import schedulers, tables
from jobdeck.web.application import create_app

P = "/administration"
HOME = {"Origin": "http://localhost"}
NIGHTLY = {"type": "cron", "expression": "30 2 * * *"}
OFTEN = {"type": "interval", "milliseconds": 100}


@job_type(title="Greet people")
def greet(name: str, times: int = 1, dry_run: bool = True) -> str:
    """Say hello."""
    return name * times


@pytest.fixture
def deck(tmp_path: Path, with_tables: Callable[[Path], Path]) -> Iterator[Deck]:
    with_tables(tmp_path / "home")
    made = Deck(job_types=[greet], home=tmp_path / "home", time_zone="Europe/Lisbon")
    create_app(made)
    yield made
    made.close()


@pytest.fixture
def job_id(deck: Deck) -> str:
    return str(deck.jobs.create(title="Greet Ada", type="greet", arguments={"name": "Ada"}).id)


@pytest.fixture
def post(browser: Any, session: Session) -> Callable[..., Any]:
    """Sends a form as our own pages do."""

    def send(path: str, fields: Any = (), **more: Any) -> Any:
        data = MultiDict(fields)
        data["csrf_token"] = session.csrf_token
        data.update(more)
        return browser.post(f"{P}{path}", data=data, headers=HOME)

    return send


class Form(HTMLParser):
    """What a browser sends for the form of a schedule that nobody touched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []
        self._inside = self._select = self._textarea = ""
        self._options: list[tuple[str, bool]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = told.get("id", "")
        if "schedule-form" not in (self._inside, told.get("form")) and tag != "option":
            return
        kind = told.get("type", "text")
        if tag == "input" and (kind not in ("checkbox", "radio") or "checked" in told):
            self.sent.append((told["name"], told.get("value", "")))
        elif tag == "select":
            self._select, self._options = told["name"], []
        elif tag == "textarea":
            self._textarea = told["name"]
        elif tag == "option" and self._select:
            self._options.append((told.get("value", ""), "selected" in told))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = ""
        elif tag == "select" and self._select:
            chosen = next((value for value, selected in self._options if selected), self._options[0][0])
            self.sent.append((self._select, chosen))
            self._select = ""
        elif tag == "textarea":
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.sent.append((self._textarea, data.removeprefix("\n")))
            self._textarea = ""


def text_of(response: Any) -> str:
    """What a person reads on a page."""
    return " ".join(re.sub(r"<[^>]*>", " ", response.text.partition("<main")[2]).split())


def wrong_on(response: Any) -> dict[str, str]:
    """What the summary on top of a refused form says, by the field it leads to."""
    found = re.findall(r'<li><a href="#([\w-]+)">([^<]*)</a></li>', response.text)
    return {field: message.replace("&#39;", "'") for field, message in found}


def follow(browser: Any, response: Any) -> Any:
    assert response.status_code == 303, text_of(response)
    return browser.get(response.headers["Location"])


def blank(browser: Any, job_id: str, **changes: Any) -> MultiDict[str, str]:
    """The form of a new schedule, with other values in some fields."""
    page = browser.get(f"{P}/jobs/{job_id}/schedules/new")
    assert page.status_code == 200
    fields: MultiDict[str, str] = MultiDict(Form(page.text).sent)
    for name, value in changes.items():
        fields.setlist(name, value if isinstance(value, list) else [value])
    return fields


def only_schedule(deck: Deck) -> Schedule:
    (found,) = deck.schedules.list().items
    return found


@pytest.mark.parametrize(
    ("fields", "recurrence"),
    [
        ({"kind": "daily", "at_time": "02:30"}, NIGHTLY),
        ({"kind": "weekly", "at_time": "6:05", "weekdays": ["sun", "mon"]},
         {"type": "cron", "expression": "5 6 * * mon,sun"}),
        ({"kind": "weekly", "at_time": "06:05", "weekdays": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]},
         {"type": "cron", "expression": "5 6 * * *"}),
        ({"kind": "monthly", "at_time": "23:59", "month_day": "1, 15"},
         {"type": "cron", "expression": "59 23 1,15 * *"}),
        ({"kind": "cron", "expression": " @daily "}, {"type": "cron", "expression": "@daily"}),
        ({"kind": "every", "every_number": "90", "every_unit": "minutes"}, {"type": "interval", "minutes": 90}),
        ({"kind": "once", "once_at": "2098-03-30T02:30"}, {"type": "once", "at": "2098-03-30T02:30:00"}),
    ],
)  # fmt: skip
def test_each_choice_says_when(
    browser: Any, post: Any, deck: Deck, job_id: str, fields: dict[str, Any], recurrence: dict[str, Any]
) -> None:
    page = follow(browser, post(f"/jobs/{job_id}/schedules/new", blank(browser, job_id, **fields)))
    assert "The schedule is saved." in text_of(page)
    saved = only_schedule(deck)
    assert saved.recurrence.as_data() == recurrence
    assert (saved.time_zone, saved.principal.name, saved.arguments) == ("Europe/Lisbon", "Ada", None)


@pytest.mark.parametrize(
    ("recurrence", "more"),
    [
        (NIGHTLY, {}),
        ({"type": "cron", "expression": "0 6 * * mon,fri"}, {"time_zone": "Asia/Kathmandu"}),
        ({"type": "cron", "expression": "0 6 31 * *"}, {"misfire": "all", "misfire_window": "36h"}),
        ({"type": "cron", "expression": "*/7 3-5 13 * fri"}, {"overlap": "stop_previous", "jitter": "90s"}),
        ({"type": "cron", "expression": "0 6 1 * mon"}, {"max_count": 12}),
        ({"type": "crontab", "minute": "0", "hour": "2", "day_of_month": "1-7", "day_of_week": "mon"}, {}),
        ({"type": "interval", "hours": 36}, {"starts_at": "2027-03-28T03:00:00+02:00", "time_zone": "Europe/Berlin"}),
        # Half past two comes twice on that day: the second time is told with its offset.
        ({"type": "interval", "days": 1}, {"starts_at": "2027-10-31T02:30:00+01:00", "time_zone": "Europe/Berlin",
                                           "ends_at": "2028-01-01T00:00:00+01:00"}),
        ({"type": "interval", "milliseconds": 1500}, {}),
        ({"type": "once", "at": "2098-10-26T02:30:00"}, {"time_zone": "Europe/Berlin"}),
        (NIGHTLY, {"arguments": {"name": "Bob", "times": 2, "dry_run": False}}),
        (NIGHTLY, {"custom_arguments": {"name": "Eve"}, "arguments": {"name": "Bob", "times": 1, "dry_run": True}}),
    ],
)  # fmt: skip
def test_a_form_sent_as_it_was_shown_changes_nothing(
    browser: Any, post: Any, deck: Deck, job_id: str, recurrence: dict[str, Any], more: dict[str, Any]
) -> None:
    before = deck.schedules.create(job_id, recurrence, **more)
    page = browser.get(f"{P}/schedules/{before.id}/edit")
    follow(browser, post(f"/schedules/{before.id}/edit", Form(page.text).sent))
    assert deck.schedules.get(before.id) == before


def test_several_units_are_shown_as_one(browser: Any, post: Any, deck: Deck, job_id: str) -> None:
    before = deck.schedules.create(job_id, {"type": "interval", "days": 1, "hours": 6})
    fields = Form(browser.get(f"{P}/schedules/{before.id}/edit").text).sent
    assert ("every_number", "30") in fields
    follow(browser, post(f"/schedules/{before.id}/edit", fields))
    assert only_schedule(deck).recurrence.as_data() == {"type": "interval", "hours": 30}


def test_an_instant_is_shown_on_the_clock_of_the_zone(browser: Any, post: Any, deck: Deck, job_id: str) -> None:
    before = deck.schedules.create(job_id, {"type": "once", "at": "2098-07-01T12:00:00+00:00"}, time_zone="Asia/Tokyo")
    fields = Form(browser.get(f"{P}/schedules/{before.id}/edit").text).sent
    assert ("once_at", "2098-07-01T21:00:00") in fields
    follow(browser, post(f"/schedules/{before.id}/edit", fields))
    assert only_schedule(deck).next_fire_at == before.next_fire_at


def test_start_and_end_are_on_the_clock_of_the_zone(browser: Any, post: Any, deck: Deck, job_id: str) -> None:
    told = {"time_zone": "Europe/Berlin", "starts_at": "2097-07-01T00:00", "ends_at": "2098-01-01 00:00:30"}
    follow(browser, post(f"/jobs/{job_id}/schedules/new", blank(browser, job_id, **told)))
    saved = only_schedule(deck)
    assert saved.starts_at == datetime(2097, 6, 30, 22, tzinfo=UTC)
    assert saved.ends_at == datetime(2097, 12, 31, 23, 0, 30, tzinfo=UTC)


def test_without_a_zone_that_of_the_settings_is_meant(browser: Any, post: Any, deck: Deck, job_id: str) -> None:
    told = {"time_zone": " ", "starts_at": "2097-07-01T00:00"}
    follow(browser, post(f"/jobs/{job_id}/schedules/new", blank(browser, job_id, **told)))
    saved = only_schedule(deck)
    assert (saved.time_zone, saved.starts_at) == ("Europe/Lisbon", datetime(2097, 6, 30, 23, tzinfo=UTC))


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"kind": "every", "every_number": ""}, "every_number", "such as 15"),
        ({"kind": "every", "every_number": "0"}, "every_number", "minutes: 15"),
        ({"kind": "every", "every_number": "-5"}, "every_number", "0 or more"),
        ({"kind": "every", "every_number": "banana"}, "every_number", "Not a valid integer"),
        ({"kind": "daily", "at_time": "61:00"}, "at_time", "such as 02:00"),
        ({"kind": "daily", "at_time": ""}, "at_time", "such as 02:00"),
        ({"kind": "weekly", "weekdays": []}, "weekdays", "such as Monday"),
        ({"kind": "monthly", "month_day": "32"}, "month_day", "such as 1 or 1,15"),
        ({"kind": "monthly", "month_day": "0"}, "month_day", "such as 1 or 1,15"),
        ({"kind": "cron", "expression": "banana"}, "expression", "0 2 * * *"),
        ({"kind": "cron", "expression": "61 2 * * *"}, "expression", "61"),
        ({"kind": "cron", "expression": "0 2 30 2 *"}, "expression", "never"),
        ({"kind": "cron", "expression": ""}, "expression", "0 2 * * *"),
        ({"kind": "once", "once_at": ""}, "once_at", "such as 2027-01-31 02:00"),
        ({"kind": "once", "once_at": "2001-01-01T00:00"}, "once_at", "passed"),
        ({"kind": "once", "once_at": "2098-02-30T00:00"}, "once_at", "2027-01-31T02:00:00"),
        ({"kind": "crontab", "minute": "61"}, "minute", "61"),
        ({"kind": "nonsense"}, "kind", "Choose"),
        ({"time_zone": "Europe/Belrin"}, "time_zone", "Europe/Berlin"),
        ({"starts_at": "2097-02-30T00:00"}, "starts_at", "such as"),
        ({"starts_at": "2098-01-01T00:00", "ends_at": "2097-01-01T00:00"}, "ends_at", "later than its start"),
        ({"ends_at": "2001-01-01T00:00"}, "ends_at", "in the future"),
        ({"max_count": "0"}, "max_count", "from 1"),
        ({"max_count": "many"}, "max_count", "from 1"),
        ({"jitter": "soon"}, "jitter", "such as"),
        ({"misfire_window": "soon"}, "misfire_window", "such as"),
        ({"misfire": "maybe"}, "misfire", "once"),
        ({"overlap": "maybe"}, "overlap", "skip"),
        ({"own_arguments": "true", "args.times": "x"}, "args-times", ""),
        ({"own_arguments": "true", "custom_args": "{"}, "custom_args", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_field_and_stays_in_the_form(
    browser: Any, post: Any, deck: Deck, job_id: str, changes: dict[str, Any], field: str, words: str
) -> None:
    fields = blank(browser, job_id, **changes)
    page = post(f"/jobs/{job_id}/schedules/new", fields)
    assert page.status_code == 400
    wrong = wrong_on(page)
    assert words in wrong[field], wrong
    assert len(wrong) == 1
    assert re.search(rf'id="{field}-wrong"', page.text) is not None
    again = MultiDict(Form(page.text).sent)
    for name, value in changes.items():
        if value and value not in ("nonsense", "maybe", "crontab"):
            assert again.getlist(name) == (value if isinstance(value, list) else [value])
    assert deck.schedules.list().total == 0


def test_what_it_will_do_is_shown_without_scripts_and_nothing_is_saved(
    browser: Any, post: Any, deck: Deck, job_id: str
) -> None:
    fields = blank(browser, job_id, at_time="02:30", time_zone="Europe/Berlin", preview_from="2027-03-27")
    page = text_of(post(f"/jobs/{job_id}/schedules/new", fields, do="preview"))
    assert "At 02:30, every day (Europe/Berlin)" in page
    assert "Sun 28 Mar 2027, 03:00 CEST 02:30 does not exist on 28 March 2027" in page
    assert deck.schedules.list().total == 0


def test_the_preview_alone(browser: Any, post: Any, deck: Deck, job_id: str) -> None:
    other = deck.schedules.create(job_id, NIGHTLY, time_zone="Europe/Berlin")
    fields = blank(browser, job_id, at_time="02:30", time_zone="Europe/Berlin")
    page = post("/schedules/preview", fields)
    assert page.status_code == 200
    assert "<main" not in page.text
    assert page.text.count("<tr>") == 11
    assert f"{P}/schedules/{other.id}" in page.text
    own = post(f"/schedules/preview?schedule={other.id}", fields).text
    assert "At the same time as others" not in own
    wrong = post("/schedules/preview", blank(browser, job_id, kind="cron", expression="banana")).text
    assert '<a href="#expression">Expression</a>' in wrong
    assert "One thing does not fit yet." in wrong
    assert browser.post(f"{P}/schedules/preview", data=fields, headers=HOME).status_code == 200
    fields["csrf_token"] = "wrong"
    assert browser.post(f"{P}/schedules/preview", data=fields, headers=HOME).status_code == 403


@pytest.mark.parametrize("day", ["2027-02-30", "banana", "0000-00-00", "9999-12-31", "0001-01-01"])
def test_an_odd_day_to_look_ahead_from(browser: Any, post: Any, deck: Deck, job_id: str, day: str) -> None:
    made = deck.schedules.create(job_id, NIGHTLY)
    assert browser.get(f"{P}/schedules/{made.id}?from={day}").status_code == 200
    assert post("/schedules/preview", blank(browser, job_id, preview_from=day)).status_code == 200


def test_pausing_resuming_and_deleting(browser: Any, post: Any, deck: Deck, job_id: str) -> None:
    made = deck.schedules.create(job_id, NIGHTLY)
    page = text_of(follow(browser, post(f"/schedules/{made.id}/pause", reason="Disk <full>")))
    assert "paused just now by Ada: “Disk &lt;full&gt;”" in page
    assert "The next times, once it is resumed" in page
    assert "paused" in text_of(browser.get(f"{P}/jobs"))
    assert "“Disk &lt;full&gt;”" in text_of(browser.get(f"{P}/schedules"))
    assert "“Disk &lt;full&gt;”" in text_of(browser.get(f"{P}/jobs/{job_id}"))
    assert "active Next in" in text_of(follow(browser, post(f"/schedules/{made.id}/resume")))
    assert "Delete this schedule?" in text_of(browser.get(f"{P}/schedules/{made.id}/delete"))
    assert deck.schedules.list().total == 1
    page = text_of(follow(browser, post(f"/schedules/{made.id}/delete")))
    assert "The schedule is deleted." in page
    assert "It runs only when somebody starts it." in page
    assert deck.schedules.list().total == 0


def test_what_became_of_each_planned_time(
    browser: Any, post: Any, deck: Deck, job_id: str, until: Callable[..., Any]
) -> None:
    made = deck.schedules.create(job_id, OFTEN, time_zone="Europe/Berlin")
    assert "None has passed yet." in text_of(browser.get(f"{P}/schedules/{made.id}"))
    firing = Firing(deck.office, deck.authority)
    until(lambda: firing.step().ticks and deck.schedules.ticks(made.id).total > 12)
    deck.schedules.pause(made.id)
    deck.runs.delete(deck.runs.stop(next(iter(deck.runs.list().items)).id).id)
    page = browser.get(f"{P}/schedules/{made.id}")
    words = text_of(page)
    total = deck.schedules.ticks(made.id).total
    assert f"Last 30 days: fired 1, caught up 0, skipped {total - 1}, missed 0" in words
    assert "CET" in words or "CEST" in words
    assert words.count("had not ended.") == 10
    older = re.search(r'rel="next" href="([^"]+)"', page.text)
    assert older is not None
    seen, address = page.text.count('class="tick '), older[1]
    while address:
        page = browser.get(address)
        seen += page.text.count('class="tick ')
        assert 'hx-trigger="every 3s"' not in page.text
        older = re.search(r'rel="next" href="([^"]+)"', page.text)
        address = older[1] if older else ""
    assert seen == total
    assert "Fired deleted" in text_of(page)
    assert "To the newest" in text_of(page)
    for odd in ("0", "x", "9" * 16, "9" * 30, "-1"):
        assert browser.get(f"{P}/schedules/{made.id}?before={odd}").status_code == 200


def test_a_run_says_which_planned_time_it_was_made_for(
    browser: Any, deck: Deck, job_id: str, until: Callable[..., Any]
) -> None:
    made = deck.schedules.create(job_id, {"type": "interval", "seconds": 1}, time_zone="Asia/Tokyo")
    firing = Firing(deck.office, deck.authority)
    until(lambda: firing.step().runs)
    (run,) = deck.runs.list().items
    page = browser.get(f"{P}/runs/{run.id}")
    assert f'{P}/schedules/{made.id}">Every second</a>' in page.text
    assert re.search(r"Scheduled by Every second for \w{3} .* JST", text_of(page)) is not None
    deck.schedules.delete(made.id)
    assert "Scheduled by a deleted schedule for" in text_of(browser.get(f"{P}/runs/{run.id}"))


def test_a_broken_schedule_says_so_and_hinders_no_other(
    browser: Any, deck: Deck, job_id: str, until: Callable[..., Any]
) -> None:
    broken = deck.schedules.create(job_id, OFTEN, arguments={"name": "Ada"})
    other = deck.schedules.create(job_id, OFTEN)
    unknown = deck.schedules.create(job_id, NIGHTLY)
    with deck.database.write() as connection:
        connection.execute(update(tables.schedules).where(tables.schedules.c.id == broken.id)
                           .values(arguments='{"nonsense": 1}'))  # fmt: skip
        connection.execute(update(tables.schedules).where(tables.schedules.c.id == unknown.id)
                           .values(time_zone="Mars/Base"))  # fmt: skip
    firing = Firing(deck.office, deck.authority)
    until(lambda: firing.step().runs and deck.schedules.get(broken.id).problem)
    page = text_of(browser.get(f"{P}/schedules/{broken.id}"))
    assert "broken" in page
    assert "It could not fire the last time:" in page
    assert "Missed" in page
    assert "Fired" in text_of(browser.get(f"{P}/schedules/{other.id}"))
    assert browser.get(f"{P}/schedules/{broken.id}/edit").status_code == 200
    for path in ("", "/edit", "/delete"):
        assert browser.get(f"{P}/schedules/{unknown.id}{path}").status_code == 200
    for path in ("/jobs", f"/jobs/{job_id}", "/schedules"):
        assert "broken" in text_of(browser.get(f"{P}{path}"))


def test_one_that_has_ended(browser: Any, post: Any, deck: Deck, job_id: str, until: Callable[..., Any]) -> None:
    made = deck.schedules.create(job_id, OFTEN, max_count=1)
    firing = Firing(deck.office, deck.authority)
    until(lambda: firing.step().runs)
    page = text_of(browser.get(f"{P}/schedules/{made.id}"))
    assert "finished It never runs again." in page
    assert "1 of 1 at most" in page
    assert "Pause" not in page
    assert "never again" in text_of(browser.get(f"{P}/schedules"))
    assert "finished" in text_of(browser.get(f"{P}/jobs"))


def test_schedules_of_an_inactive_job_make_no_run(browser: Any, deck: Deck, job_id: str) -> None:
    made = deck.schedules.create(job_id, NIGHTLY)
    deck.jobs.update(job_id, active=False)
    assert "Its job is inactive: no run is made." in text_of(browser.get(f"{P}/schedules/{made.id}"))
    assert "job inactive" in text_of(browser.get(f"{P}/schedules"))
    assert "while inactive: none" in text_of(browser.get(f"{P}/jobs"))


def test_the_list(browser: Any, deck: Deck, job_id: str) -> None:
    assert "Nothing is scheduled yet." in text_of(browser.get(f"{P}/schedules"))
    other = deck.jobs.create(title="Something else", type="greet", arguments={"name": "Bob"})
    deck.schedules.create(job_id, NIGHTLY)
    deck.schedules.create(str(other.id), {"type": "cron", "expression": "0 7 * * mon"}, time_zone="Asia/Tokyo")
    page = text_of(browser.get(f"{P}/schedules"))
    assert "At 02:30, every day (Europe/Lisbon)" in page
    assert "07:00 JST" in page
    found = text_of(browser.get(f"{P}/schedules?q=SOMETHING"))
    assert "Something else" in found
    assert "Greet Ada" not in found
    assert "No job with a schedule has “nothing” in its title." in text_of(browser.get(f"{P}/schedules?q=nothing"))


def test_a_long_list_has_pages(browser: Any, deck: Deck, job_id: str) -> None:
    for minute in range(30):
        deck.schedules.create(job_id, {"type": "cron", "expression": f"{minute} 2 * * *"})
    first = browser.get(f"{P}/schedules")
    assert first.text.count('data-label="When"') == 25
    assert "30 schedules" in text_of(first)
    assert browser.get(f"{P}/schedules?page=2").text.count('data-label="When"') == 5


def test_nobody_serves_the_schedules(browser: Any, deck: Deck, job_id: str) -> None:
    made = deck.schedules.create(job_id, NIGHTLY)
    page = text_of(browser.get(f"{P}/schedules"))
    assert "No scheduler is alive" in page
    assert "Needs attention" not in page
    late = to_us(datetime.now(UTC) - timedelta(minutes=5))
    with deck.database.write() as connection:
        connection.execute(update(tables.schedules).values(next_fire_at=late))
    page = text_of(browser.get(f"{P}/schedules"))
    assert "Needs attention" in page
    assert "Greet Ada" in page
    assert "1 thing needs attention:" in text_of(browser.get(f"{P}/jobs"))
    assert "jobdeck scheduler" in text_of(browser.get(f"{P}/schedules/{made.id}"))
    now = datetime.now(UTC)
    alive = SchedulerInfo(id=new_id(to_us(now)), host="here", pid=1, tzdata="x", started_at=now, seen_at=now)
    with deck.database.write() as connection:
        schedulers.add(connection, SYSTEM.tenant, alive, to_us(now))
    assert "No scheduler is alive" not in text_of(browser.get(f"{P}/schedules"))


def test_the_refreshed_page_brings_the_next_times_only_when_they_are_others(
    browser: Any, deck: Deck, job_id: str
) -> None:
    made = deck.schedules.create(job_id, NIGHTLY)
    page = browser.get(f"{P}/schedules/{made.id}")
    again = re.search(r'hx-get="([^"]+next=\d+)"', page.text)
    assert again is not None
    assert 'id="ahead"' in page.text
    assert 'id="ahead"' not in browser.get(again[1]).text
    deck.schedules.update(made.id, recurrence={"type": "cron", "expression": "31 2 * * *"})
    assert 'id="ahead"' in browser.get(again[1]).text


def test_unknown_and_foreign_schedules_are_not_there(browser: Any, post: Any, deck: Deck, job_id: str) -> None:
    made = deck.schedules.create(job_id, NIGHTLY)
    with deck.database.write() as connection:
        connection.execute(update(tables.schedules).values(tenant="other"))
    for schedule_id in (made.id, new_id(1), "nonsense"):
        for path in ("", "/edit", "/delete"):
            assert browser.get(f"{P}/schedules/{schedule_id}{path}").status_code == 404, (schedule_id, path)
        for path in ("/pause", "/resume", "/edit", "/delete"):
            assert post(f"/schedules/{schedule_id}{path}").status_code == 404, (schedule_id, path)
    assert browser.get(f"{P}/jobs/{new_id(1)}/schedules/new").status_code == 404
    with deck.database.write() as connection:
        connection.execute(update(tables.schedules).values(tenant="default"))
    assert deck.schedules.get(made.id) == made


def test_own_arguments_begin_with_those_of_the_job(browser: Any, post: Any, deck: Deck, job_id: str) -> None:
    fields = blank(browser, job_id, own_arguments="true")
    assert fields["args.name"] == "Ada"
    fields["args.name"] = "Bob"
    page = text_of(follow(browser, post(f"/jobs/{job_id}/schedules/new", fields)))
    assert "name Bob" in page
    assert only_schedule(deck).arguments == {"name": "Bob", "times": 1, "dry_run": True}


def test_custom_arguments_are_told(browser: Any, deck: Deck, job_id: str) -> None:
    made = deck.schedules.create(job_id, NIGHTLY, custom_arguments={"name": "Eve", "more": [1]})
    page = text_of(browser.get(f"{P}/schedules/{made.id}"))
    assert "As they are, instead of those of the form: name Eve more [1]" in page
    assert "Those of the job." not in page


def test_a_schedule_of_a_type_that_is_gone_can_be_looked_at(browser: Any, post: Any, deck: Deck, job_id: str) -> None:
    made = deck.schedules.create(job_id, NIGHTLY)
    with deck.database.write() as connection:
        connection.execute(update(tables.jobs).values(type="gone"))
    assert "is not registered any more: no run can be made" in text_of(browser.get(f"{P}/schedules/{made.id}"))
    fields = MultiDict(Form(browser.get(f"{P}/schedules/{made.id}/edit").text).sent)
    fields["at_time"] = "03:00"
    follow(browser, post(f"/schedules/{made.id}/edit", fields))
    assert only_schedule(deck).recurrence.as_data()["expression"] == "0 3 * * *"
