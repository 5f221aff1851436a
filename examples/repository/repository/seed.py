"""What a first start makes: some two hundred records with files, one saved job of each type, and two schedules."""

from __future__ import annotations

import hashlib
import json
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

from jobdeck import Deck

from .database import connect, file_path

RECORDS = 200
DAMAGED_EVERY = 97

_SUBJECTS = ("Glacier melt", "Pollen records", "Soil respiration", "Medieval charters", "Coral bleaching", "Sea level",
             "Bird migration", "Dialect recordings", "Urban heat", "River sediment", "Protein folding", "Star clusters")  # fmt: skip
_PLACES = ("in the Alps", "of the North Sea", "around Lake Geneva", "in Patagonia", "of Iceland", "along the Danube",
           "in the Sahel", "of the Baltic coast")  # fmt: skip
_KINDS = ("dataset", "article", "software", "image")
_NAMES = ("Ada Byron", "Chen Wei", "Fatou Diop", "Ines Duarte", "Jonas Berg", "Leïla Amrani", "Mateo Ruiz", "Nia Okoro",
          "Olga Ivanova", "Priya Nair", "Sven Lindqvist", "Yuki Tanaka")  # fmt: skip
_PLACES_OF_WORK = ("University of Lisbon", "ETH Zürich", "Université Cheikh Anta Diop", "Kyoto University",
                   "University of Oslo", "CERN")  # fmt: skip

JOBS: tuple[dict[str, Any], ...] = (
    {"type": "ror_update", "title": "Update affiliations from ROR",
     "description": "Bring the organisations up to date with the release that is shipped."},
    {"type": "export_records", "title": "Nightly export",
     "description": "Everything that changed since the last success, for the mirror."},
    {"type": "lift_embargoes", "title": "Lift ended embargoes", "description": "Open what may be open since today."},
    {"type": "verify_checksums", "title": "Verify all files", "description": "Find files that changed on disk."},
    {"type": "slow_nothing", "title": "Slow nothing", "description": "A minute of nothing, to try how a run is stopped."},
)  # fmt: skip

TIME_ZONE = "Europe/Berlin"
SCHEDULES = {"export_records": "0 2 * * *", "lift_embargoes": "5 0 * * *"}


def first_start(deck: Deck) -> None:
    """Make records, jobs and schedules; called once, when jobdeck's database has just been made."""
    add_records()
    for told in JOBS:
        job = deck.jobs.create(**told)
        if job.type in SCHEDULES:
            deck.schedules.create(str(job.id), {"type": "cron", "expression": SCHEDULES[job.type]}, time_zone=TIME_ZONE)


def add_records() -> None:
    """Add the records, the same ones every time."""
    chance = random.Random(1)
    database = connect()
    with database:
        for number in range(1, RECORDS + 1):
            record_id = f"rec-{number:04d}"
            database.execute(
                "INSERT OR REPLACE INTO record VALUES (:id, :title, :creators, :year, :kind, :description, :access,"
                " :embargo_until, :updated)",
                _record(record_id, chance),
            )
            for name, content in _files(record_id, chance):
                path = file_path(record_id, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                sha256 = hashlib.sha256(content).hexdigest()
                # A disk that lost a byte, for the checksum job to find.
                damaged = number % DAMAGED_EVERY == 0
                path.write_bytes(content[:-1] + b"?" if damaged else content)
                database.execute(
                    "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?)", (record_id, name, len(content), sha256)
                )


def _record(record_id: str, chance: random.Random) -> dict[str, Any]:
    creators = [
        {"name": name, "affiliation": chance.choice(_PLACES_OF_WORK)}
        for name in chance.sample(_NAMES, chance.randint(1, 3))
    ]
    today = datetime.now(UTC).date()
    embargo: date | None = None
    if chance.random() < 0.2:
        embargo = today + timedelta(days=chance.randint(-60, 365))
    title = f"{chance.choice(_SUBJECTS)} {chance.choice(_PLACES)}"
    return {
        "id": record_id,
        "title": title,
        "creators": json.dumps(creators, ensure_ascii=False),
        "year": chance.randint(1998, 2026),
        "kind": chance.choice(_KINDS),
        "description": f"Observations and notes: {title.lower()}.",
        "access": "open" if embargo is None else "embargoed",
        "embargo_until": None if embargo is None else embargo.isoformat(),
        "updated": (datetime.now(UTC) - timedelta(hours=chance.randint(1, 2000))).isoformat(timespec="seconds"),
    }


def _files(record_id: str, chance: random.Random) -> list[tuple[str, bytes]]:
    lines = [f"{record_id},{line},{chance.gauss(10, 3):.4f}" for line in range(chance.randint(20, 400))]
    return [("measurements.csv", "\n".join(["record,line,value", *lines, ""]).encode())]
