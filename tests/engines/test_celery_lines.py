"""A task that sends another has its lines written first, and waits neither for a database that hangs nor for the lines of others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from jobdeck import Deck

WRITING = """
import json, sqlite3, threading, time
from jobdeck.engines import host
from jobdeck.engines.celery_lines import FIRST_S, Writer
from jobdeck.services.subtask_logs import Origin

mine, others = (Origin(run_id=run_id, fence=1, attempt=1, tenant="default") for run_id in ("mine", "others"))

def line(text):
    return time.time_ns() // 1000, 20, "site", text, None

def waited():
    began = time.monotonic()
    for number in range(12):
        writer.add(mine, line(f"line {number}"))
        writer.hurry()
    return (time.monotonic() - began) / FIRST_S

def chat():
    while not is_over.is_set():
        writer.add(others, line("chat"))
        time.sleep(0.0002)

database = sqlite3.connect(host.deck().database.path, isolation_level=None)
writer = Writer()
database.execute("BEGIN IMMEDIATE")
while_hanging = waited()
database.execute("ROLLBACK")
writer.end()
writer, is_over = Writer(), threading.Event()
threading.Thread(target=chat).start()
among_others = waited()
is_over.set()
writer.end()
print(json.dumps([while_hanging, among_others]))
"""


def test_it_waits_neither_for_a_database_that_hangs_nor_for_the_lines_of_others(tmp_path: Path) -> None:
    deck = Deck(home=tmp_path)
    deck.upgrade_database()
    deck.close()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBDECK_")}
    told = subprocess.run(
        [sys.executable, "-c", WRITING], env={**environment, "JOBDECK_HOME": str(tmp_path)}, cwd=tmp_path,
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    while_hanging, among_others = json.loads(told.stdout)
    # Twelve times, of which each would have waited as long as it may.
    assert while_hanging < 6
    assert among_others < 6
