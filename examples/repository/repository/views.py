"""The repository's public page, `/records`: its newest records, and the way to the administration."""

from __future__ import annotations

from flask import Blueprint, render_template

from .database import connect

SHOWN = 50

pages = Blueprint("repository", __name__, template_folder="templates")


@pages.get("/records")
def newest() -> str:
    """The newest records."""
    database = connect()
    records = database.execute("SELECT * FROM record ORDER BY updated DESC, id LIMIT ?", (SHOWN,)).fetchall()
    counts = database.execute("SELECT (SELECT count(*) FROM record), (SELECT count(*) FROM organisation)").fetchone()
    return render_template(
        "repository/home.html", records=records, record_count=counts[0], organisation_count=counts[1]
    )
