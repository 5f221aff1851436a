"""Bringing the organisations up to date with a release of the Research Organization Registry."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Annotated, Any

from pydantic import Field

from jobdeck import TaskExecutionPartialError, job_type, track

from ..database import connect
from .ror_release import open_release

logger = logging.getLogger(__name__)

BATCH = 500
_UPSERT = """
INSERT INTO organisation (id, name, country, status, last_modified, digest)
VALUES (:id, :name, :country, :status, :last_modified, :digest)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, country = excluded.country, status = excluded.status,
    last_modified = excluded.last_modified, digest = excluded.digest
"""
Source = Annotated[
    str, Field(description="A shipped release (v2.8 or v2.9), the path of a zip file, or its web address")
]
Since = Annotated[
    date | None, Field(description="Skip organisations that were last modified before this day; empty takes all")
]


class Malformed(ValueError):
    """A record of a release that is not what it should be."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """What the repository keeps of an organisation; `digest` tells whether anything at all has changed."""

    id: str
    name: str
    country: str | None
    status: str
    last_modified: str
    digest: str


@job_type(title="Update affiliations from ROR", timeout="1h")
def ror_update(source: Source = "v2.8", since: Since = None) -> dict[str, int]:
    """Read a release of ROR organisations and add or update those that are new or have changed."""
    result = dict.fromkeys(("created", "updated", "unchanged", "skipped", "failed"), 0)
    with open_release(source) as release:
        total = release.count()
        logger.info("%s holds %d organisations", source, total)
        for batch in _batches(_read(track(release, total=total), since, result)):
            _store(batch, result)
    logger.info("%s", ", ".join(f"{count:,} {what}" for what, count in result.items()))
    if result["failed"]:
        raise TaskExecutionPartialError(
            f"{result['failed']:,} records of {source} are malformed; the log names them.",
            result["failed"],
            result=result,
        )
    return result


def _read(elements: Iterator[Any], since: date | None, result: dict[str, int]) -> Iterator[Organisation]:
    """Organisations to store; what is malformed is logged with its place, and counted."""
    for number, element in enumerate(elements, 1):
        try:
            organisation = organisation_of(element)
        except Malformed as error:
            logger.warning("record %d: %s", number, error)
            result["failed"] += 1
            continue
        if since is not None and organisation.last_modified < since.isoformat():
            result["skipped"] += 1
            continue
        yield organisation


def organisation_of(record: Any) -> Organisation:
    """What a record of schema v2 says; Malformed names what is missing or wrong."""
    if not isinstance(record, Mapping):
        raise Malformed(f"a {type(record).__name__} where an object should be")
    identifier = _text(record, "id")
    if not identifier.startswith("https://ror.org/"):
        raise Malformed(f"id {identifier[:100]!r} is no ROR address")
    last_modified = _text(_object(_object(record, "admin"), "last_modified"), "date")
    try:
        day = date.fromisoformat(last_modified)
    except ValueError:
        raise Malformed(f"{identifier}: admin.last_modified.date {last_modified[:100]!r} is no date") from None
    canonical = json.dumps(record, sort_keys=True, ensure_ascii=False)
    return Organisation(
        id=identifier,
        name=_display_name(record, identifier),
        country=_country(record),
        status=_text(record, "status"),
        last_modified=day.isoformat(),
        digest=hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest(),
    )


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value:
        raise Malformed(f"{record.get('id', 'the record')}: {name} is missing or no text"[:200])
    return value


def _object(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = record.get(name)
    if not isinstance(value, Mapping):
        raise Malformed(f"{record.get('id', 'the record')}: {name} is missing or no object"[:200])
    return value


def _list(record: Mapping[str, Any], name: str) -> list[Any]:
    value = record.get(name)
    return value if isinstance(value, list) else []


def _display_name(record: Mapping[str, Any], identifier: str) -> str:
    for name in _list(record, "names"):
        if isinstance(name, Mapping) and "ror_display" in _list(name, "types"):
            value = name.get("value")
            if isinstance(value, str) and value.strip():
                return value.encode("utf-8", "replace").decode()
    raise Malformed(f"{identifier}: no name of type ror_display")


def _country(record: Mapping[str, Any]) -> str | None:
    try:
        code = record["locations"][0]["geonames_details"]["country_code"]
    except (KeyError, IndexError, TypeError):
        return None
    return code if isinstance(code, str) else None


def _batches(organisations: Iterator[Organisation]) -> Iterator[list[Organisation]]:
    while batch := list(islice(organisations, BATCH)):
        yield batch


def _store(batch: list[Organisation], result: dict[str, int]) -> None:
    """One transaction: after a crash or a stop, whole batches are there and a second run completes the rest."""
    database = connect()
    with database:
        known = _digests(database, [one.id for one in batch])
        changed = []
        for one in batch:
            if known.get(one.id) == one.digest:
                result["unchanged"] += 1
                continue
            result["updated" if one.id in known else "created"] += 1
            known[one.id] = one.digest
            changed.append({name: getattr(one, name) for name in Organisation.__slots__})
        database.executemany(_UPSERT, changed)


def _digests(database: sqlite3.Connection, identifiers: list[str]) -> dict[str, str]:
    marks = ", ".join("?" * len(identifiers))
    rows = database.execute(f"SELECT id, digest FROM organisation WHERE id IN ({marks})", identifiers)
    return {row["id"]: row["digest"] for row in rows}
