"""docs/cases.md is what its committed results make, with goals that are computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.studies.cases import study
from scripts.studies.cases.definitions import CASES
from scripts.studies.cases.page import FIRST_SEED, page
from scripts.studies.common.experiment import Experiment


def test_the_page_is_what_the_committed_results_make() -> None:
    options = study.Options()
    text = page(study.experiment_of(options), CASES)
    assert text == options.page.read_text(encoding="utf-8")


def of_search(kept: list[float], portfolio: list[float], **more: Any) -> dict[str, Any]:
    """Return the record of a search whose own network is kept."""
    own = {"reference": "", "params": more.pop("params", 1000), "tests": kept}
    scores = {"evaluated": 0.5, "exported": 0.5}
    return {
        "command": "nas-env search --data data/cases/mine --seed 1000",
        "resumed": False,
        "wall_seconds": 601.0,
        "metric": "accuracy",
        "sizes": [60, 20, 20],
        "networks": 12,
        "kept": {"search": "imagination", **own},
        "own": own,
        "portfolio": {"reference": "lenet", "params": 10, "tests": portfolio},
        "equal_seconds": {"seconds": 100, "agent": 0.9, "random": None},
        "sklearn": None,
        "seconds": 600.0,
        "int8_bytes": 5000,
        "validation_score": scores,
        "verdicts": ["It is so."],
        **more,
    }


def page_of(tmp_path: Path, results: dict[str, list[dict[str, Any]]]) -> str:
    lines = [{"call": {"command": "mine", "settings": {"minutes": 10.0}, "versions": {}}}]
    lines += [
        {"job": {"case": name, "seed": FIRST_SEED + number}, "result": x}
        for name, rows in results.items()
        for number, x in enumerate(rows)
    ]
    file = tmp_path / "results.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    return page(Experiment(file, {"minutes": 10.0}), CASES)


@pytest.mark.parametrize(
    ("name", "kept", "params", "goal"),
    [
        ("digits", [0.99, 0.99], 1000, "Digits: at least 99.0 %: reached (99.00 ± 0.00 %)."),
        ("digits", [0.98, 0.99], 1000, "at least 99.0 %: **not reached** (98.50 ± 0.71 %)."),
        ("mnist-15k", [0.99, 0.99], 49_999, "reached (99.00 ± 0.00 %, at most 49,999 parameters)."),
        ("mnist-15k", [0.99, 0.99], 50_000, "**not reached** (99.00 ± 0.00 %, at most 50,000"),
        ("mnist-15k", [0.98, 0.99], 9, "**not reached** (98.50 ± 0.71 %, at most 9 parameters)."),
    ],
)
def test_goals_for_accuracy(
    tmp_path: Path, name: str, kept: list[float], params: int, goal: str
) -> None:
    rows = [of_search([x], [0.9], params=params) for x in kept]
    assert goal in page_of(tmp_path, {name: rows})


@pytest.mark.parametrize(
    ("kept", "portfolio", "ahead", "worse"),
    [
        ([0.6, 0.7], [0.5, 0.6], "reached (+10.00 points", "reached (+10.00 points"),
        ([0.6, 0.7], [0.61, 0.7], "**not reached** (-0.50 points", "reached (-0.50 points"),
        ([0.6, 0.6], [0.61, 0.61], "**not reached** (-1.00 points", "**not reached** (-1.00"),
    ],
)
def test_goals_against_the_portfolio(
    tmp_path: Path, kept: list[float], portfolio: list[float], ahead: str, worse: str
) -> None:
    rows = [of_search([x], [y]) for x, y in zip(kept, portfolio, strict=True)]
    written = page_of(tmp_path, {"photographs": rows})
    assert f"ahead of the portfolio's best: {ahead}" in written
    assert f"Photographs: not worse than the portfolio beyond the spread of the seeds: {worse}" in (
        written
    )


def test_errors_are_better_if_they_are_lower(tmp_path: Path) -> None:
    rows = [of_search([40.0, 44.0], [41.0, 44.0], metric="mae"), of_search([42, 42], [41, 43])]
    written = page_of(tmp_path, {"diabetes": [rows[0], {**rows[1], "metric": "mae"}]})
    assert "| Diabetes (2 seeds) | mae | 42 ± 0 | 2 imagination | 1,000 ± 0 | 42.25 ±" in written
    assert "| 2 of 4, 1 ties |" in written
    assert "won over the portfolio in 2 of 4 pairs" in written
    assert "the seeds: reached (-0.25; lower is better, spread" in written
    assert "validation after equal seconds |" in written and "| 90.00 ± 0.00, - |" not in written


def test_a_difference_of_the_exported_score_is_shown(tmp_path: Path) -> None:
    other = {"evaluated": 0.5, "exported": np.nextafter(0.5, 1)}
    rows = [of_search([0.9], [0.8]), of_search([0.9], [0.8], validation_score=other)]
    line = "The exported score equals the evaluated score exactly: "
    assert f"{line}**not reached** (1 of 2 runs)." in page_of(tmp_path, {"adult": rows})
    assert f"{line}reached (1 of 1 runs)." in page_of(tmp_path, {"adult": rows[:1]})


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    row = of_search([0.9], [0.8]) | {"portfolio": None, "own": None, "int8_bytes": None}
    written = page_of(tmp_path, {"adult": [row]})
    assert "| Adult (1 seed) | accuracy, % | 90.00 | 1 imagination | 1,000 | - | - | 90.00, - " in (
        written
    )
    assert "| - | 600 | - |" in written and "No pairs yet." in written
    assert written.count("Not run yet: `python -m scripts.studies cases ") == 5
    assert "Digits: at least 99.0 %: not run yet." in written


def test_a_support_vector_classifier_is_shown_for_images(tmp_path: Path) -> None:
    model = {"name": "SVC", "settings": "C=1", "validation": 0.97, "test": 0.96, "seconds": 3.0}
    page_of(tmp_path, {"digits": [of_search([0.9], [0.8])]})
    file = tmp_path / "results.jsonl"
    line = json.dumps({"job": {"case": "digits", "model": "svc"}, "result": model})
    file.write_text(f"{file.read_text()}\n{line}")
    written = page(Experiment(file, {"minutes": 10.0}), CASES)
    assert "| 96.00 (SVC) |" in written
    assert "C=1, validation accuracy 97.00 %, test 96.00 %." in written
