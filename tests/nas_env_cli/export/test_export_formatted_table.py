"""A search on a table of formatted numbers and dates: the exported score is the evaluated one."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch

from nas_env.export.folder import load_module
from nas_env_cli.export.finished import FinishedRun
from tests.nas_env_cli.export.test_export_own_data import SEARCH, searched
from tests.support.tiny_search import script


def formatted_table(rows: int = 90) -> pandas.DataFrame:
    """Return a table with formats, dates, words for missing values, and a typing error."""
    rng = np.random.default_rng(0)
    income = rng.uniform(500, 9_000, rows)
    days = pandas.Series(pandas.date_range("2023-11-20", periods=rows, freq="5D"))
    made = pandas.DataFrame(
        {
            "income": [f"${x:,.2f}" if x > 900 else "?" for x in income],
            "rate": [f"({x:.1f} %)" if x > 5 else f"{x:.1f} %" for x in rng.uniform(0, 9, rows)],
            "since": days.dt.strftime("%d.%m.%Y"),
            "zip": [f"{x:05}" for x in rng.choice([501, 10001, 90210], rows)],
            "children": rng.integers(0, 4, rows),
            "rank": rng.integers(0, 7, rows).astype(float),
            "paid": np.where(income > 4_000, "NA", "no"),
        }
    )
    made.loc[::9, "children"] = -999
    made.loc[:20:4, "rank"] = 1e12
    return made


def test_the_exported_score_of_a_formatted_table_is_the_evaluated_one(tmp_path: Path) -> None:
    data, run = tmp_path / "loans.csv", tmp_path / "run"
    formatted_table().to_csv(data, index=False)
    words = ("--column", "since=date", "--missing=-999", "--missing=?", "--no-default-missing")
    script("search", *SEARCH, "--data", data, "--target", "paid", *words, "--output", run)
    finished = FinishedRun.read(run)
    task: Any = finished.task
    assert task.classes == ("NA", "no")
    kinds = {x["name"]: x["kind"] for x in task.preprocessing[0]["columns"]}
    numbers = ("income", "rate", "children", "rank")
    assert kinds == {**dict.fromkeys(numbers, "numeric"), "zip": "categorical", "since": "date"}
    with data.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    module: Any = load_module(run / "export")
    assert np.array_equal(module.encode(rows).numpy(), task.data.x)
    chosen = [rows[place] for place in task.data.rows["validation"]]
    answers = module.predict(module.load(), module.encode(chosen))
    network = searched(finished)
    with torch.inference_mode():
        outputs = network(task.tensors("validation")[0])
    assert torch.equal(answers, outputs.softmax(1))
    right = [
        task.classes[int(x)] == row["paid"]
        for x, row in zip(answers.argmax(1), chosen, strict=True)
    ]
    assert task.validate(network)["accuracy"] == pytest.approx(np.mean(right))
    card = (run / "export" / "card.md").read_text(encoding="utf-8")
    assert "- It needs columns of dates: `since`.\n" in card
