"""The programs and queries of docs/store.md run as they are written, on both databases."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from nas_env.store import SQLStore
from nas_env.store.schema import METADATA
from scripts.bench.private_postgres import PrivatePostgres
from tests.nas_env.store.store_examples import FAILED, INFO, entry, record
from tests.support.paths import ROOT
from tests.support.programs import run_program

PAGE = (ROOT / "docs" / "store.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_programs_of_the_page_run(tmp_path: Path) -> None:
    done = run_program([sys.executable, "-c", "\n".join(blocks("python"))], tmp_path)
    assert done.returncode == 0, done.stderr
    lines, store = done.stdout.splitlines(), SQLStore(tmp_path / "all.sqlite")
    rows, (search, *members, volume) = lines[: len(store)], lines[len(store) :]
    front = store.pareto("accuracy", ("params", "macs"))
    assert [line.split()[0] for line in members] == [x.candidate.key for x in front.members]
    compared, dominated = volume.split()
    assert int(compared) == len(store) and 0 < float(dominated) < 1e12
    assert [row.split()[0] for row in rows] == ["ok"] * len(store)
    assert 1 <= len(store) <= 3
    (score,) = [x.score for x in store.entries(1)]
    assert search == f"by-hand tried [{score}]"
    assert score in [row["score"] for row in store.rows()]


def test_the_queries_of_the_page_find_what_they_say(url: str) -> None:
    store = SQLStore(url)
    good, worse = record("good"), record("worse")
    store.put(worse)
    store.put(good)
    for name in ("a", "b"):
        store.put(record(name, FAILED))
    number = store.begin_search(INFO)
    store.enter(number, entry(2, key=good.key, new=False), entry(1, key=worse.key, score=0.1))
    engine = create_engine(store.url)
    with engine.connect() as connection:
        best, failures, order, interrupted = (
            [tuple(row) for row in connection.exec_driver_sql(query)] for query in blocks("sql")
        )
    assert [row[1:4] for row in best] == [(0.9, 0.9, 12)] * 2
    assert failures == [("crashed", "it was killed", 2)]
    assert [(*row[:3], row[4]) for row in order] == [(1, True, 0.1, 2.5), (2, False, 0.9, 2.5)]
    assert interrupted == [(1, "random", 4, INFO.started)]


def test_who_is_made_as_on_the_page_may_make_the_tables(server: PrivatePostgres) -> None:
    """What asks for a password, and what opens the server to the network, is left out."""
    lines = blocks("bash")[0].splitlines()
    made = [line.split()[3:] for line in lines if line.startswith("sudo -u postgres create")]
    assert [command[0] for command in made] == ["createuser", "createdb"]
    for program, *arguments in made:
        server.run(program, *(x for x in arguments if x != "--pwprompt"))
    store = SQLStore(f"postgresql://nas@127.0.0.1:{server.port}/nas")
    store.put(record())
    assert len(store) == 1


def test_the_page_names_every_table_and_column() -> None:
    section = PAGE.partition("## Tables")[2].partition("\n## ")[0]
    named = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE))
    assert set(named) == set(METADATA.tables)
    for name, table in METADATA.tables.items():
        if name != "settings":
            columns = re.findall(r"`(\w+)`", named[name])
            assert columns == [column.name for column in table.columns]


@pytest.mark.parametrize("form", ["sqlite:////data/all.sqlite", "sqlite:///file:/data/all.sqlite"])
def test_the_forms_of_the_url_mean_the_same_file(form: str, tmp_path: Path) -> None:
    assert form in PAGE
    here = form.replace("/data", str(tmp_path))
    SQLStore(here + ("?uri=true" if "file:" in here else "")).put(record())
    assert len(SQLStore(tmp_path / "all.sqlite")) == 1
