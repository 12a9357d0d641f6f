"""The passengers: networks against gradient boosting and logistic regression."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from scripts.studies.common.group_differences import with_sd

NETWORK, ENSEMBLE = "best network of the search", "ensemble of the best five"
STRONGEST = "gradient boosting, best of 120"
Rows = dict[str, dict[str, float]]  # by name: validation and test accuracy, parameters


def numbers(run: Path) -> Rows:
    """Return the accuracies of one split's models, from the files that the commands wrote."""
    retrained = json.loads((run / "retrained.json").read_text("utf-8"))
    networks, together = retrained["networks"], retrained["ensemble_by_seed"]
    rows: Rows = {
        NETWORK: {**_both(networks[0]["measured"]), "params": networks[0]["params"]},
        ENSEMBLE: {**_both(together), "params": sum(x["params"] for x in networks)},
    }
    for model in json.loads((run / "baselines.json").read_text("utf-8")):
        rows[model["name"]] = {x: model[x]["accuracy"] for x in ("validation", "test")}
    return rows


def _both(measured: Sequence[dict[str, float]]) -> dict[str, float]:
    return {split: mean(x[split] for x in measured) for split in ("validation", "test")}


def lines(splits: Sequence[Rows]) -> Iterator[str]:
    """Yield the lines of the table, and a comparison with gradient boosting for each model."""
    yield "| model | validation accuracy, % | test accuracy, % | parameters |"
    yield "| --- | ---: | ---: | ---: |"
    for name in splits[0]:
        accuracies = [
            with_sd([100 * x[name][split] for x in splits]) for split in ("validation", "test")
        ]
        params = [x[name]["params"] for x in splits if "params" in x[name]]
        size = with_sd(params, 0) if params else "-"
        yield f"| {name} | {accuracies[0]} | {accuracies[1]} | {size} |"
    yield ""
    for name in splits[0]:
        if name != STRONGEST:
            yield f"- {_against(name, splits)}"


def _against(name: str, splits: Sequence[dict[str, Any]]) -> str:
    gaps = [100 * (x[name]["test"] - x[STRONGEST]["test"]) for x in splits]
    better, worse = sum(gap > 0 for gap in gaps), sum(gap < 0 for gap in gaps)
    return (
        f"{name} against {STRONGEST}: {mean(gaps):+.2f} points of test accuracy, from "
        f"{min(gaps):+.2f} to {max(gaps):+.2f}; better on {better}, worse on {worse} of "
        f"{len(gaps)} splits."
    )
