"""Stores of every kind, and a PostgreSQL server that lives as long as the tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from nas_env.store import MemoryStore, SQLStore, Store
from scripts.bench.private_postgres import NoPostgreSQL, PrivatePostgres

NUMBERS = count()


@pytest.fixture(scope="session")
def server() -> Iterator[PrivatePostgres]:
    """Return a running server; without the programs the test is skipped, or fails where it must."""
    try:
        pytest.importorskip("psycopg", reason="psycopg is not installed", exc_type=ImportError)
        running = PrivatePostgres(durable=False)
    except (NoPostgreSQL, pytest.skip.Exception) as reason:
        if os.environ.get("NAS_ENV_NEEDS_POSTGRESQL"):
            pytest.fail(f"NAS_ENV_NEEDS_POSTGRESQL is set, but: {reason}")
        pytest.skip(str(reason))
    yield running
    running.remove()


@pytest.fixture
def make_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Return what gives the URL of an empty database of a kind, the same one each time."""
    made: dict[str, str] = {"sqlite": str(tmp_path / "store.sqlite")}

    def make(kind: str) -> str:
        if kind not in made:
            made[kind] = request.getfixturevalue("server").create(f"test{next(NUMBERS)}")
        return made[kind]

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, make_url: Callable[[str], str]) -> str:
    """Return the URL of an empty database, of each kind in turn."""
    return make_url(request.param)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, make_url: Callable[[str], str]) -> Iterator[Store]:
    """Return an empty store, of each kind in turn."""
    if request.param == "memory":
        yield MemoryStore()
        return
    made = SQLStore(make_url(request.param))
    yield made
    made.close()


@pytest.fixture
def postgresql_url(make_url: Callable[[str], str]) -> str:
    """Return the URL of an empty database in PostgreSQL."""
    return make_url("postgresql")
