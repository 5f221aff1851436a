"""A second wall, in tests only: triggers that refuse what no statement of jobdeck may do, made from the one table."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from jobdeck.core.lifecycle import TRANSITIONS
from jobdeck.core.run import FINAL_STATUSES

_PAIRS = ", ".join(f"'{old} > {new}'" for old, new in sorted(TRANSITIONS))
_FINAL = ", ".join(f"'{status}'" for status in FINAL_STATUSES)
_DIFFERS = {"sqlite": "IS NOT", "postgresql": "IS DISTINCT FROM"}

_SQLITE = """CREATE TRIGGER wall_{name} BEFORE {event} ON jobdeck_run WHEN {when}
BEGIN SELECT RAISE(ABORT, 'wall: {told}'); END"""

_POSTGRESQL = (
    """CREATE FUNCTION wall_{name}() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF {when} THEN RAISE EXCEPTION 'wall: {told}'; END IF; RETURN NEW; END $$""",
    """CREATE TRIGGER wall_{name} BEFORE {event} ON jobdeck_run FOR EACH ROW EXECUTE FUNCTION wall_{name}()""",
)


def _walls(dialect: str) -> dict[str, tuple[str, str]]:
    differs = _DIFFERS[dialect]
    changed = " OR ".join(f"NEW.{name} {differs} OLD.{name}" for name in ("status", "reason", "result", "ended_at"))
    return {
        "begins queued": ("INSERT", "NEW.status <> 'QUEUED'"),
        "unknown transition": (
            "UPDATE",
            f"OLD.status <> NEW.status AND (OLD.status || ' > ' || NEW.status) NOT IN ({_PAIRS})",
        ),
        "final is final": ("UPDATE", f"OLD.status IN ({_FINAL}) AND ({changed})"),
        "fences only rise": ("UPDATE", "NEW.fence < OLD.fence"),
    }


def build(connection: Connection, only: Sequence[str] | None = None) -> None:
    """Put the triggers up, or some of them."""
    dialect = connection.dialect.name
    for told, (event, when) in _walls(dialect).items():
        if only is None or told in only:
            name = told.replace(" ", "_")
            for statement in (_SQLITE,) if dialect == "sqlite" else _POSTGRESQL:
                connection.execute(text(statement.format(told=told, name=name, event=event, when=when)))


def take_down(connection: Connection, told: str) -> None:
    """Remove one trigger."""
    name = f"wall_{told.replace(' ', '_')}"
    if connection.dialect.name == "sqlite":
        connection.execute(text(f"DROP TRIGGER {name}"))
    else:
        connection.execute(text(f"DROP FUNCTION {name} CASCADE"))
