"""The arguments that a job type has when it names no others, as InvenioRDM writes them."""

from __future__ import annotations

from datetime import UTC

from marshmallow import Schema, fields


class PredefinedArgsSchema(Schema):
    """`since`: where to go on from; left empty, the start of the last successful run.

    `job_arg_schema` names the schema. Clients may send it or leave it out, and a subclass need not declare it again.
    """

    job_arg_schema = fields.String(
        metadata={"type": "hidden"}, dump_default="PredefinedArgsSchema", load_default="PredefinedArgsSchema"
    )
    since = fields.AwareDateTime(
        format="iso",
        default_timezone=UTC,
        allow_none=True,
        metadata={"description": "Leave empty to continue since the last successful run."},
    )
