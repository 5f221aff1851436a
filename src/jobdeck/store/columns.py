"""What tables are made of: the one collection of them, and the columns that many of them have."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, MetaData, String

metadata = MetaData()


def identifier(name: str = "id", **options: object) -> Column[str]:
    """A UUID in canonical text."""
    return Column(name, String(36), **options)  # type: ignore[arg-type]  # keyword options of Column, passed on


def instant(name: str, *, required: bool = False) -> Column[int]:
    """Microseconds since 1970, UTC."""
    return Column(name, BigInteger, nullable=not required)


def counter(name: str) -> Column[int]:
    """A number that only rises."""
    return Column(name, BigInteger, nullable=False, server_default="0")


def tenant() -> Column[str]:
    """Whose row it is."""
    return Column("tenant", String(64), nullable=False)
