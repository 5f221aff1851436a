"""A second wall in the database: triggers that note every change of a run that no rule of the product allows."""

from __future__ import annotations

from jobdeck.core.lifecycle import TRANSITIONS
from jobdeck.core.run import FINAL_STATUSES
from jobdeck.store.database import Database

_FINAL = ", ".join(f"'{status}'" for status in sorted(FINAL_STATUSES))
_ALLOWED = ", ".join(f"'{old}>{new}'" for old, new in sorted(TRANSITIONS))
_WRONG = f"""(old.status <> new.status AND old.status || '>' || new.status NOT IN ({_ALLOWED}))
    OR new.fence < old.fence
    OR (old.status = 'QUEUED' AND new.status = 'RUNNING' AND (new.fence = old.fence OR new.stop_requested_at IS NOT NULL))
    OR (old.status IN ({_FINAL}) AND (old.status <> new.status OR COALESCE(old.reason, '') <> COALESCE(new.reason, '')
        OR COALESCE(old.result, '') <> COALESCE(new.result, '') OR old.ended_at <> new.ended_at))"""
_NOTE = """INSERT INTO crash_wall VALUES (old.id || ': ' || old.status || ' > ' || new.status || ', fence ' || old.fence
    || ' > ' || new.fence);"""
_SQLITE = (
    "CREATE TABLE crash_wall (told TEXT)",
    f"CREATE TRIGGER crash_wall_of_run AFTER UPDATE ON jobdeck_run WHEN {_WRONG} BEGIN {_NOTE} END",
)
_POSTGRESQL = (
    "CREATE TABLE crash_wall (told TEXT)",
    f"""CREATE FUNCTION crash_note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF {_WRONG} THEN {_NOTE} END IF; RETURN NULL; END $$""",
    "CREATE TRIGGER crash_wall_of_run AFTER UPDATE ON jobdeck_run FOR EACH ROW EXECUTE FUNCTION crash_note()",
)


def build_wall(database: Database) -> None:
    with database.write() as connection:
        for sql in _SQLITE if database.is_sqlite else _POSTGRESQL:
            connection.exec_driver_sql(sql)


def breaches(database: Database) -> list[str]:
    """What the wall has noted."""
    with database.read() as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT told FROM crash_wall")]
