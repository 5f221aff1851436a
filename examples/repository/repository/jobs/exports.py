"""Writing changed records into one archive that can be downloaded from the run's page."""

from __future__ import annotations

import io
import logging
import tarfile
from datetime import UTC, datetime
from typing import Any

from marshmallow import fields, validate

from jobdeck import JobType, PredefinedArgsSchema, current_run, track

from ..database import connect
from .serializers import SERIALIZERS

logger = logging.getLogger(__name__)


def export_records(since: str | None = None, serializer: str = "datacite-xml") -> dict[str, Any]:
    """One file a record, in `records.tgz`; all records when `since` is None."""
    suffix, write = SERIALIZERS[serializer]
    records = _changed(since)
    logger.info("%d records changed since %s", len(records), since or "the beginning")
    with (
        current_run.open_output("records.tgz", media_type="application/gzip") as output,
        tarfile.open(fileobj=output, mode="w:gz") as archive,
    ):
        for record in track(records):
            content = write(dict(record))
            entry = tarfile.TarInfo(f"records/{record['id']}{suffix}")
            entry.size = len(content)
            entry.mtime = int(datetime.fromisoformat(record["updated"]).timestamp())
            archive.addfile(entry, io.BytesIO(content))
    return {"records": len(records), "serializer": serializer}


def _changed(since: str | None) -> list[Any]:
    after = "" if since is None else datetime.fromisoformat(since).astimezone(UTC).isoformat(timespec="seconds")
    return connect().execute("SELECT * FROM record WHERE updated >= ? ORDER BY updated, id", (after,)).fetchall()


class ExportSchema(PredefinedArgsSchema):
    """`since` of the predefined arguments, and the format."""

    serializer = fields.String(
        load_default="datacite-xml",
        validate=validate.OneOf(list(SERIALIZERS)),
        metadata={"description": "The format of each record."},
    )


class ExportRecords(JobType):
    """Declared the way InvenioRDM does it."""

    id = "export_records"
    title = "Export records"
    description = "Write all records changed since the last successful run into one archive."
    task = export_records
    arguments_schema = ExportSchema

    @classmethod
    def build_task_arguments(cls, job_obj: Any, since: datetime | None = None, **kwargs: Any) -> dict[str, Any]:
        """What the task is called with."""
        return {"since": since, "serializer": kwargs.get("serializer", "datacite-xml")}
