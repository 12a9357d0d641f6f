"""Replays find what was changed; `nas-env replay`, `python -m scripts.studies nb201-protocol`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from nas_env_cli.benchmark.results import read_results, write_results
from scripts.studies.nb201_protocol.page import PUBLISHED, AgentResult
from tests.nas_env_cli.benchmark.tiny import SYNTHETIC, run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Results on a table whose rewarded run is drawn by the seed, and on made-up scores."""
    out = tmp_path_factory.mktemp("replay")
    run(
        "benchmark", "--agents", "random", "--envs", "macro=NASBenchMacro-v0:run=random",
        SYNTHETIC, "--seeds", 2, "--first-seed", 5, "--limit", 10, "--repeats", 5,
        "--output", out / "b",
    )  # fmt: skip
    return out / "b"


def test_untouched_results_replay(made):
    assert "all numbers are equal" in run("replay", made / "results.parquet")
    assert "7 of " in run("replay", made / "results.parquet", "--sample", 7)


@pytest.mark.parametrize(
    ("column", "value"), [("score", None), ("report", None), ("seed", 3), ("walk", "0,9,1")]
)
def test_a_changed_number_is_named(made, tmp_path, column, value):
    table, settings = read_results(made / "best.parquet")
    rows = table.to_pylist()
    number = next(i for i, x in enumerate(rows) if x["env"] == "macro" and i > 2)
    rows[number][column] = np.nextafter(rows[number][column], 2) if value is None else value
    write_results(tmp_path / "t.parquet", [pa.Table.from_pylist(rows, table.schema)], settings)
    text = run("replay", tmp_path / "t.parquet", code=1)
    assert f"Row {number}: random on macro" in text


def test_a_decision_counted_from_the_end_is_not_the_walk_that_was_played(made, tmp_path):
    """Projection would take -1 for the last of three decisions, and the numbers would be equal."""
    table, settings = read_results(made / "results.parquet")
    rows = [x for x in table.to_pylist() if x["env"] == "macro"]
    row = next(x for x in rows if x["walk"].startswith("2"))
    row["walk"] = "-1" + row["walk"][1:]
    write_results(tmp_path / "t.parquet", [pa.Table.from_pylist([row], table.schema)], settings)
    text = run("replay", tmp_path / "t.parquet", code=1)
    assert "Decision -1 of the walk (-1, " in text


def test_bad_input(made, tmp_path):
    assert "no.parquet: no such file" in run("replay", tmp_path / "no.parquet", code=2)
    assert f"Give a file in it: {made / 'best.parquet'}" in run("replay", made, code=2)
    protocol = ("--folder", tmp_path / "p", "--page", tmp_path / "p.md")
    for line, message in (
        ("--agents random random", "Two agents have the label 'random'"),
        ("--seeds 0", "--seeds must be >= 1, but is 0"),
        ("--simulated-seconds 0", "simulated_seconds must be > 0"),
    ):
        assert message in run("studies.nb201_protocol", *line.split(), *protocol, code=2)
    assert not list(tmp_path.iterdir())
    assert "--sample must be >= 1" in run("replay", made / "best.parquet", "--sample", 0, code=2)


def test_agreement_is_computed():
    means = np.array(PUBLISHED["random"].means)
    inside = AgentResult("r", "random", np.array([means + 0.09, means + 0.09]), 100)
    outside = AgentResult("r", "random", np.array([means, means + np.array([0, 0.8, 0])]), 100)
    assert inside.agrees()
    assert not outside.agrees()
    assert outside.differences() == pytest.approx([0, 0.4, 0])
    assert not AgentResult("l", "local-search", inside.tests, 1).agrees()


def test_the_protocol_runs(tmp_path):
    """6 seeds x 3,000 seconds: enough for the shape, far from the published numbers."""
    command = (
        "--seeds", 6, "--simulated-seconds", 3000, "--agents", "random", "local-search",
        "--folder", tmp_path / "runs", "--page", tmp_path / "protocol.md",
    )  # fmt: skip
    run("studies.nb201_protocol", *command)
    page = (tmp_path / "protocol.md").read_text()
    assert "| random search, published | 500 | | 93.70 ± 0.36 | 71.04 ± 1.07 |" in page
    table, settings = read_results(tmp_path / "protocol" / "best.parquet")
    assert settings["charge_repeats"]
    picks = {}
    for row in table.to_pylist():
        if row["agent"] == "random":
            best = picks.get(row["seed"])
            picks[row["seed"]] = row if best is None or row["score"] > best["score"] else best
    mean = 100 * np.mean([row["report"] for row in picks.values()])
    assert "| `random` | 6 | " in page
    assert f" | {mean:.2f} ± " in page
    assert table["simulated_seconds"].to_numpy().max() <= 3000
    assert "all numbers are equal" in run("replay", tmp_path / "protocol" / "best.parquet")
