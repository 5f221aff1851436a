"""Archive: the only room that knows SQL. SQLAlchemy Core, no ORM session; SQLite and PostgreSQL alike."""
