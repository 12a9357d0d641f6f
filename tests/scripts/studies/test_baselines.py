"""`scripts.studies.cases.baselines` chooses on validation; only the choice sees the test split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.studies.cases import baselines
from tests.support.made_data import table


def test_only_what_was_chosen_is_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = table(120).assign(split=["train"] * 60 + ["val"] * 33 + ["test"] * 27)
    made.to_csv(tmp_path / "mine.csv", index=False)
    sizes, measure = [], baselines.quality

    def counted(model: Any, part: Any, target: str) -> Any:
        sizes.append(len(part))
        return measure(model, part, target)

    monkeypatch.setattr(baselines, "quality", counted)
    where = {"table": tmp_path / "mine.csv", "output": tmp_path / "baselines.json"}
    assert baselines.compare(baselines.Options(target="label", settings=3, **where)) == 0
    assert (sizes.count(33), sizes.count(27)) == (6, 4)
    rows = json.loads((tmp_path / "baselines.json").read_text())
    assert [row["name"].partition(", ")[2] for row in rows] == ["as it comes", "best of 3"] * 2
    for row in rows:
        assert set(row) - {"seconds"} == {"name", "settings", "validation", "test"}
        assert set(row["test"]) == {"accuracy", "roc_auc"}
    assert rows[1]["validation"]["accuracy"] >= rows[0]["validation"]["accuracy"]
