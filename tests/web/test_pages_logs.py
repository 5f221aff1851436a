"""A run's log on pages: in parts, as a download, and what is new since the page was made."""

from __future__ import annotations

import json
import re
from typing import Any

from jobdeck import Deck

P = "/administration"


def test_the_log_is_read_in_parts_and_taken_along_whole(browser: Any, deck: Deck, add_log: Any) -> None:
    run = deck.runs.start("greet", {"name": "Ada"})
    add_log(run, *[(20 if number % 100 else 40, f"line {number}.") for number in range(1, 1201)])
    page = browser.get(f"{P}/runs/{run.id}").text
    assert "line 1200." in page and "line 701." in page and "line 700." not in page
    assert f"{P}/runs/{run.id}/log?after=200" in page
    part = browser.get(f"{P}/runs/{run.id}/log?after=200").text
    assert "line 201." in part and "line 700." in part and "line 701." not in part
    severe = browser.get(f"{P}/runs/{run.id}/log?level=error").text
    assert re.findall(r">line (\d+)\.", severe) == [str(number) for number in range(100, 1201, 100)]
    assert browser.get(f"{P}/runs/{run.id}/log?after=nonsense&level=nonsense").status_code == 200
    whole = browser.get(f"{P}/runs/{run.id}/log.txt")
    assert whole.mimetype == "text/plain" and "attachment" in whole.headers["Content-Disposition"]
    assert [line.split(": ")[1] for line in whole.text.splitlines()] == [f"line {n}." for n in range(1, 1201)]
    lines = [json.loads(line) for line in browser.get(f"{P}/runs/{run.id}/log.jsonl").text.splitlines()]
    assert (len(lines), lines[-1]["seq"], lines[0]["fields"]["colour"]) == (1200, 1200, "blue")


def test_whoever_asks_for_what_is_new_gets_just_that(browser: Any, deck: Deck, add_log: Any) -> None:
    run = deck.runs.start("greet", {"name": "Ada"})
    add_log(run, (20, "one"), (30, "two"))
    page = browser.get(f"{P}/runs/{run.id}").text
    (address,) = [one.replace("&amp;", "&") for one in re.findall(r'hx-get="([^"]+/live[^"]*)"', page)]
    nothing = browser.get(address).text
    assert 'id="live"' in nothing and "hx-get" in nothing
    assert "beforeend:#log" not in nothing and 'id="run-state"' not in nothing and 'id="run-actions"' not in nothing
    assert "two" not in nothing
    older = browser.get(address.replace("after=2", "after=1")).text
    assert "two" in older and ">one<" not in older
    deck.runs.stop(run.id)
    over = browser.get(address).text
    assert 'id="run-state"' in over and 'id="run-actions"' in over and "The run is now: Cancelled" in over
    assert "hx-get" not in over


def test_whoever_is_far_behind_gets_the_newest_lines(browser: Any, deck: Deck, add_log: Any) -> None:
    run = deck.runs.start("greet", {"name": "Ada"})
    add_log(run, *[(20, f"line {number}.") for number in range(1, 5001)])
    behind = browser.get(f"{P}/runs/{run.id}/live?after=10").text
    assert "innerHTML:#log" in behind and "Too many lines" in behind
    assert "line 5000." in behind and "line 4501." in behind and "line 4500." not in behind
    assert f"/runs/{run.id}/log?after=4000" in behind
