"""The tables, their version, and the way from an older version to this one."""

from __future__ import annotations

import json
from collections.abc import Callable
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
    update,
)

from nas_env.errors import StoreError

SCHEMA_VERSION = 3
METRICS = ("accuracy", "loss", "params", "macs", "activation_bytes")  # each has a column
KEY = ("candidate_key", "fingerprint", "budget", "training_seed")
MIGRATING = 0x6E617365  # the lock in PostgreSQL that one process at a time holds: "nase"

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
    Column("candidate", Text),  # null where it equals that of the evaluation under the same key
    Column("evaluation", Text),  # likewise
    Column("score", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("created", String(32), nullable=False),
)


def version_of(connection: Connection, store: str) -> int | None:
    """Return the version of the tables, None where there are none.

    Args:
        connection: A connection to the database.
        store: What messages call it.

    Raises:
        StoreError: No way leads from them to this version.
    """
    names = inspect(connection).get_table_names()
    if "settings" not in names:
        found = None
    else:
        query = select(SETTINGS.c.value).where(SETTINGS.c.name == "schema_version")
        found = connection.execute(query).scalar_one_or_none()
    if found is None and "evaluations" not in names:
        return None
    if found not in KNOWN:
        raise StoreError(
            f"The store {store} has schema version {found}; this release reads "
            f"{KNOWN[0]} to {KNOWN[-1]}. Use another file, or the release that wrote it."
        )
    return int(found)


def settle_version(connection: Connection, store: str) -> None:
    """Make the tables, or bring older ones to this version, in the transaction at hand.

    Args:
        connection: A connection with a transaction; others may be about to do the same.
        store: What messages call the database.

    Raises:
        StoreError: No way leads from its version to this one.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATING})"))
    found = version_of(connection, store)
    if found is None:
        METADATA.create_all(connection)
        value = {"name": "schema_version", "value": str(SCHEMA_VERSION)}
        connection.execute(insert(SETTINGS), value)
        return
    for version in range(found, SCHEMA_VERSION):
        STEPS[version](connection)
    named = SETTINGS.c.name == "schema_version"
    connection.execute(update(SETTINGS).where(named).values(value=str(SCHEMA_VERSION)))


def _one_to_two(connection: Connection) -> None:
    """Give the activations of each network a column, filled from its evaluation."""
    connection.execute(text("ALTER TABLE evaluations ADD COLUMN activation_bytes BIGINT"))
    known = connection.execute(select(EVALUATIONS.c.id, EVALUATIONS.c.evaluation)).all()
    for number, evaluation in known:
        value = json.loads(evaluation)["metrics"].get("activation_bytes")
        row = EVALUATIONS.c.id == number
        connection.execute(update(EVALUATIONS).where(row).values(activation_bytes=value))


def _two_to_three(connection: Connection) -> None:
    """Make the tables of searches; texts in PostgreSQL may be longer than 255 characters."""
    METADATA.create_all(connection, tables=[SEARCHES, TRIALS])
    if connection.dialect.name == "postgresql":
        for name in ("fingerprint", "budget", "objective"):
            connection.execute(text(f"ALTER TABLE evaluations ALTER COLUMN {name} TYPE TEXT"))


STEPS: dict[int, Callable[[Connection], None]] = {1: _one_to_two, 2: _two_to_three}
KNOWN = [str(version) for version in (*STEPS, SCHEMA_VERSION)]
