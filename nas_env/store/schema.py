"""The tables of a store and their version."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    inspect,
    select,
    text,
)

from nas_env.errors import StoreError

SCHEMA_VERSION = 4  # raised when tables or the text of their keys change
METRICS = ("accuracy", "loss", "params", "macs", "activation_bytes")  # each has a column
KEY = ("candidate_key", "fingerprint", "budget", "training_seed")
MAKING_TABLES = 0x6E617365  # number of the advisory lock in PostgreSQL: "nase"

METADATA = MetaData()


def _key_columns() -> list[Column[Any]]:
    """Return the columns of an `EvaluationKey`, for one table."""
    return [
        Column("candidate_key", String(32), nullable=False, index=True),
        Column("fingerprint", Text, nullable=False),
        Column("budget", Text, nullable=False),
        Column("training_seed", BigInteger, nullable=False),
    ]


EVALUATIONS = Table(
    "evaluations",
    METADATA,
    Column("id", Integer, primary_key=True),
    *_key_columns(),
    Column("outcome", String(32), nullable=False),
    Column("message", Text, nullable=False),
    Column("score", Float),
    Column("objective", Text, nullable=False),
    Column("accuracy", Float),
    Column("loss", Float),
    Column("params", BigInteger),
    Column("macs", BigInteger),
    Column("activation_bytes", BigInteger),
    Column("epochs", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("candidate", Text, nullable=False),
    Column("evaluation", Text, nullable=False),
    Column("created", String(32), nullable=False),
    UniqueConstraint(*KEY),
)
SETTINGS = Table(
    "settings",
    METADATA,
    Column("name", String(255), primary_key=True),
    Column("value", Text, nullable=False),
)
SEARCHES = Table(
    "searches",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("token", String(64), nullable=False, unique=True),
    Column("agent", Text, nullable=False),
    Column("settings", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("versions", Text, nullable=False),
    Column("git_commit", Text, nullable=False),
    Column("started", String(32), nullable=False),
    Column("ended", String(32)),
    Column("reason", Text),
)
TRIALS = Table(
    "trials",
    METADATA,
    Column("search", Integer, ForeignKey("searches.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("episode", Integer, nullable=False),
    Column("new", Boolean, nullable=False),
    *_key_columns(),
    Column("candidate", Text),  # null if equal to that of the evaluation with the same key
    Column("evaluation", Text),  # likewise
    Column("score", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("created", String(32), nullable=False),
)


def has_tables(connection: Connection, store: str) -> bool:
    """Return whether the database has the tables of a store.

    Args:
        connection: A connection to the database.
        store: Name of the store in messages.

    Raises:
        StoreError: The tables have another schema version, or do not belong to a store.
    """
    names = inspect(connection).get_table_names()
    version = None
    if "settings" in names:
        query = select(SETTINGS.c.value).where(SETTINGS.c.name == "schema_version")
        version = connection.execute(query).scalar_one_or_none()
    if version is None and "evaluations" not in names:
        return False
    if version != str(SCHEMA_VERSION):
        raise StoreError(
            f"Store {store} must have schema version {SCHEMA_VERSION}, got {version}. "
            "Use another file, or the release that wrote it."
        )
    return True


def make_tables(connection: Connection, store: str) -> None:
    """Create the tables if they do not exist, in the current transaction.

    Args:
        connection: A connection with a transaction. Other processes may call this at the same time.
        store: Name of the store in messages.

    Raises:
        StoreError: The tables have another schema version, or do not belong to a store.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({MAKING_TABLES})"))
    if not has_tables(connection, store):
        METADATA.create_all(connection)
        value = {"name": "schema_version", "value": str(SCHEMA_VERSION)}
        connection.execute(insert(SETTINGS), value)
