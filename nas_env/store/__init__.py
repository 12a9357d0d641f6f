"""Stores of evaluations and searches: in memory, in a SQLite file or in PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_env.store.base import Entry, EvaluationKey, Record, Search, SearchInfo, Store
from nas_env.store.memory import MemoryStore
from nas_env.store.pareto import Kind, Member, ParetoSet

if TYPE_CHECKING:
    from nas_env.store.schema import SCHEMA_VERSION
    from nas_env.store.sql import SQLStore

__all__ = [
    "SCHEMA_VERSION",
    "Entry",
    "EvaluationKey",
    "Kind",
    "Member",
    "MemoryStore",
    "ParetoSet",
    "Record",
    "SQLStore",
    "Search",
    "SearchInfo",
    "Store",
    "open_store",
]


def open_store(store: Store | str | Path | None) -> Store:
    """Open a store: a SQL store for a path or URL, or a store in memory for None."""
    if isinstance(store, Store):
        return store
    if store is None:
        return MemoryStore()
    from nas_env.store.sql import SQLStore

    return SQLStore(store)


def __getattr__(name: str) -> Any:
    """Import names that need SQLAlchemy on first access, because its import is slow."""
    if name == "SQLStore":
        from nas_env.store.sql import SQLStore

        return SQLStore
    if name == "SCHEMA_VERSION":
        from nas_env.store.schema import SCHEMA_VERSION

        return SCHEMA_VERSION
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
