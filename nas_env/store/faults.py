"""Faults of a database: classification, whether waiting helps, and remedies."""

from __future__ import annotations

from enum import Enum
from typing import Any

from sqlalchemy.exc import DBAPIError

SQLITE_CODES = {5: "LOCKED", 6: "LOCKED", 8: "READ_ONLY", 13: "FULL"}
# https://www.postgresql.org/docs/current/errcodes-appendix.html
POSTGRESQL_STATES = {
    "25006": "READ_ONLY",
    "40001": "LOCKED",  # serialization_failure
    "40P01": "LOCKED",  # deadlock_detected
    "53100": "FULL",
    "53300": "AWAY",  # too_many_connections
    "55P03": "LOCKED",
    "57P01": "AWAY",  # admin_shutdown
    "57P02": "AWAY",  # crash_shutdown
    "57P03": "AWAY",  # cannot_connect_now
}


class Fault(Enum):
    """Kinds of database faults; the value is used in log messages."""

    LOCKED = "locked"
    AWAY = "away"
    READ_ONLY = "read-only"
    FULL = "full"
    OTHER = "not usable"

    @property
    def passes(self) -> bool:
        """Whether waiting may resolve the fault."""
        return self in (Fault.LOCKED, Fault.AWAY)


REMEDIES = {
    Fault.LOCKED: "Another process has locked it{waited}: end that process, or open the "
    "store with more patience. Everything committed before is kept.",
    Fault.AWAY: "It did not answer{waited}: check that the database is running, or correct the "
    "URL. Everything committed before is kept.",
    Fault.READ_ONLY: "It was opened read-only: open it without mode=ro, as a user with write "
    "permission, or use another store.",
    Fault.FULL: "Free some disk space; everything committed before is kept.",
}
OTHERWISE = {
    "opened": "Give the path of a SQLite file in an existing folder (with mode=ro, of a file that "
    "exists), or an SQLAlchemy URL of SQLite or PostgreSQL.",
    "read": "Check that the file exists, is intact and has read permission.",
    "written": "Check disk space and permissions; everything committed before is kept.",
}


def fault_of(error: Exception) -> Fault:
    """Return the fault that an SQLAlchemy error indicates."""
    if not isinstance(error, DBAPIError):
        return Fault.OTHER
    original: Any = error.orig
    code = getattr(original, "sqlite_errorcode", None)
    if code is not None:
        return Fault[SQLITE_CODES.get(code & 0xFF, "OTHER")]
    state = getattr(original, "sqlstate", None)
    if state in POSTGRESQL_STATES:
        return Fault[POSTGRESQL_STATES[state]]
    cannot_connect = state is None and type(original).__name__ == "OperationalError"
    lost = error.connection_invalidated or (state or "").startswith("08")
    is_file = type(original).__module__.startswith("sqlite3")
    return Fault.AWAY if (lost or cannot_connect) and not is_file else Fault.OTHER


def reason_of(error: Exception) -> str:
    """Return the first line of the database's message, without the statement and its values."""
    return (str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__])[0]


def remedy_for(fault: Fault, verb: str, waited: float) -> str:
    """Return the remedy for an error message.

    Args:
        fault: The fault.
        verb: The failed operation: "opened", "read" or "written".
        waited: Seconds waited before giving up.
    """
    for_long = f" for {waited:.0f} s" if waited >= 1 else ""
    return REMEDIES.get(fault, OTHERWISE[verb]).format(waited=for_long)
