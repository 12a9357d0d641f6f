"""`nas-env pareto`: networks that no other is better than, as text, data and picture."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from nas_env.errors import IncompatibleError
from nas_env.store import SQLStore
from nas_env_cli.commands.pareto import check_comparable, directions, evaluations_of
from nas_env_cli.main import main
from tests.support.report_runs import make_run

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a run with random search beside its agent, and one of another length."""
    folder = tmp_path_factory.mktemp("runs")
    return (
        make_run(folder / "a", evaluations=20),
        make_run(folder / "b", "random", evaluations=40),
    )


def points(run: Path) -> list[tuple[float, float]]:
    """Return accuracy and parameters of every network that a run evaluated."""
    store = SQLStore(run / "store.sqlite")
    entries = [x for search in store.searches() for x in store.entries(search.id)]
    store.close()
    metrics = [x.evaluation.metrics for x in entries]
    return [(x["accuracy"], x["params"]) for x in metrics]


def best(all_points: list[tuple[float, float]]) -> set[tuple[float, float]]:
    """Return the points that no other dominates, by the definition."""
    return {
        (a, p)
        for a, p in all_points
        if not any(x >= a and y <= p and (x, y) != (a, p) for x, y in all_points)
    }


def test_the_set_is_that_of_the_definition(runs: tuple[Path, Path], capsys: Captured) -> None:
    output = runs[0].parent / "set.csv"
    assert main(["pareto", *map(str, runs), "--output", str(output)]) == 0
    with output.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    expected = best(points(runs[0]) + points(runs[1]))
    assert {(float(x["accuracy"]), float(x["params"])) for x in rows} == expected
    accuracies = [float(x["accuracy"]) for x in rows]
    assert accuracies == sorted(accuracies, reverse=True)
    assert len({x["key"] for x in rows}) == len(rows), "a network found by two agents is one"
    shown = capsys.readouterr().out
    assert shown.startswith("accuracy (max)  params (min)  agent")
    assert f"{len(rows)} of " in shown and f"Written: {output}" in shown


def test_each_row_names_the_network_and_who_found_it(runs: tuple[Path, Path]) -> None:
    output = runs[0].parent / "set.json"
    assert main(["pareto", str(runs[0]), "--metrics", "accuracy", "--output", str(output)]) == 0
    (row,) = json.loads(output.read_text())
    assert row["accuracy"] == max(accuracy for accuracy, _ in points(runs[0]))
    assert row["run"] == str(runs[0]) and row["agent"] in ("q-learning", "random")
    assert row["candidate"]["architecture"] and 1 <= row["number"] <= 20


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_a_picture_is_drawn(runs: tuple[Path, Path], suffix: str) -> None:
    output = runs[0].parent / f"set{suffix}"
    assert main(["pareto", str(runs[0]), "--output", str(output)]) == 0
    assert output.stat().st_size > 5000


def test_losses_and_costs_are_minimised_unless_something_else_is_said() -> None:
    names = ["accuracy", "loss", "latency_ms", "macs", "f1", "reward:min", "params:max"]
    assert directions(names) == (
        ["accuracy", "f1", "params"],
        ["loss", "latency_ms", "macs", "reward"],
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--metrics", "acuracy"], "Did you mean 'accuracy'"),
        (["--metrics", "accuracy:up"], "must end with :min or :max"),
        (["--output", "set.txt"], "must end with one of .csv, .json, .png"),
        (["--metrics", "accuracy", "--output", "set.png"], "A plot needs two metrics, got 1"),
        (["elsewhere"], "elsewhere holds no search"),
    ],
)
def test_what_is_refused(
    runs: tuple[Path, Path], words: list[str], message: str, capsys: Captured
) -> None:
    assert main(["pareto", str(runs[0]), *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("part", ["fingerprint", "budget"])
def test_other_evaluators_and_budgets_do_not_compare(runs: tuple[Path, Path], part: str) -> None:
    found = evaluations_of(runs[0])
    check_comparable(found)
    first, key = found[0], found[0].entry.key
    others = [
        replace(first, entry=replace(first.entry, key=key._replace(**{part: "another"}))),
        replace(first, entry=replace(first.entry, key=key._replace(training_seed=5))),
    ]
    check_comparable([*found, others[1]])
    with pytest.raises(IncompatibleError, match="differ in task, evaluator or budget"):
        check_comparable([*found, others[0]])
