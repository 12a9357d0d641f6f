"""Several results files on one page."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from nas_env.errors import InvalidSettingError
from nas_env_cli.benchmark.joined import Results, join
from nas_env_cli.benchmark.results import incumbents, read_results, write_results
from tests.nas_env_cli.benchmark.tiny import rows, run, settings, table


def part(name: str, *runs, limit: int = 3, **agents: str) -> Results:
    """Return the content of a results file."""
    return Results(Path(name), table(*runs), settings(limit, **agents))


def test_runs_of_all_files_stand_agent_by_agent_and_seed_by_seed():
    one = part("one", rows("r", 1, 0.1), rows("r", 2, 0.2), rows("s", 1, 0.3), r="random", s="ppo")
    two = part("two", rows("t", 1, 0.4, 0.5), rows("r", 0, 0.6), t="dqn", r="random")
    found, kept = join([one, two])
    said = [(x["agent"], x["seed"], x["score"]) for x in found.to_pylist()]
    assert said == [
        ("r", 0, 0.6),
        ("r", 1, 0.1),
        ("r", 2, 0.2),
        ("s", 1, 0.3),
        ("t", 1, 0.4),
        ("t", 1, 0.5),
    ]
    assert list(kept["agents"]) == ["r", "s", "t"] and kept["limit"] == 3
    assert len(kept["commands"]) == 1  # both were made by the same command


def test_stored_settings_grow_with_the_environments_and_no_file_is_changed():
    one = part("one", rows("r", 0, 0.1), r="q-learning")
    two = part("two", rows("r", 0, 0.1, env="f"), r="q-learning")
    two.settings["envs"] = {"f": {"id": "NAS-v0", "settings": {}}}
    one.settings["agents"]["r"]["stored"] = {"NAS-v0": {"learning_rate": 0.1}}
    two.settings["agents"]["r"]["stored"] = {"NASChain-v0": {"learning_rate": 0.2}}
    _, kept = join([one, two])
    assert set(kept["agents"]["r"]["stored"]) == {"NAS-v0", "NASChain-v0"}
    assert list(kept["envs"]) == ["e", "f"]
    assert set(one.settings["agents"]["r"]["stored"]) == {"NAS-v0"}
    two.settings["agents"]["r"]["stored"]["NAS-v0"] = {"learning_rate": 0.3}
    with pytest.raises(InvalidSettingError, match=r"--agents r \(stored for NAS-v0\)"):
        join([one, two])


def test_what_cannot_stand_on_one_page_is_refused():
    one = part("one", rows("r", 0, 0.1), r="random")
    with pytest.raises(InvalidSettingError, match="two was made with --limit = 9, one with 3"):
        join([one, part("two", rows("s", 0, 0.1), limit=9, s="random")])
    with pytest.raises(InvalidSettingError, match=r"--agents r = .*another label"):
        join([one, part("two", rows("r", 1, 0.1), r="ppo")])
    other = part("two", rows("s", 0, 0.1), s="ppo")
    other.settings["envs"]["e"]["settings"] = {"evaluator": "training"}
    with pytest.raises(InvalidSettingError, match="--envs e = "):
        join([one, other])
    with pytest.raises(InvalidSettingError, match=r"r on e with seed 0 is in one and, .* in two"):
        join([one, part("two", rows("r", 0, 0.2), r="random")])


def test_a_run_that_is_the_same_in_two_files_counts_once():
    full = part("full", rows("r", 0, 0.3, 0.1, 0.2), rows("r", 1, 0.1), r="random")
    best = part("best", rows("s", 0, 0.3), r="random", s="ppo")
    best = best._replace(table=pa.concat_tables([best.table, incumbents(full.table)]))
    found, _ = join([full, best])
    assert found["agent"].to_pylist() == ["r"] * 4 + ["s"]


def test_a_page_of_two_files_is_that_of_all_runs(tmp_path):
    runs = {x: [rows(x, seed, 0.1 * seed, 0.5) for seed in range(3)] for x in ("r", "s")}
    known = {"r": "random", "s": "local-search"}
    whole = tmp_path / "whole.parquet"
    write_results(whole, [table(*runs["r"], *runs["s"])], settings(3, **known))
    for name in "rs":
        found = settings(3, **{name: known[name]})
        write_results(tmp_path / f"{name}.parquet", [table(*runs[name])], found)
    pages = []
    for place, files in (("a", [whole]), ("b", [tmp_path / "r.parquet", tmp_path / "s.parquet"])):
        page = tmp_path / place / "leaderboard.md"
        run("leaderboard", *files, "--page", page, "--repeats", 5)
        pages.append(page.read_text())
        kept = read_results(page.with_suffix("") / "best.parquet")[0]
        assert sorted(set(kept["agent"].to_pylist())) == ["r", "s"]
    assert pages[0] == pages[1]
    several = [tmp_path / "r.parquet", tmp_path / "s.parquet"]
    assert "such as --page runs/all.md" in run("leaderboard", *several, code=2)
    assert "No results file is given" in run("leaderboard", code=2)
