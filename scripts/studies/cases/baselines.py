"""Test gradient boosting and logistic regression on a table with fixed splits, for docs/cases.md.

Example: python -m scripts.studies.cases.baselines data/passengers.csv --target survived
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from nas_env.errors import InvalidDataError, InvalidSettingError
from nas_env_cli.interrupts import exit_code

ITERATIONS = 10_000  # of logistic regression: until it has converged


@dataclass(frozen=True)
class Options:
    """Test gradient boosting and logistic regression on a table with a column "split".

    Each model is fitted on the training split with random settings. The best one on the validation
    split is tested once, as in a search.
    """

    table: Annotated[Path, tyro.conf.Positional]
    """A CSV with a column "split" (train, val, test)."""
    target: str
    """Target column, with classes."""
    settings: int = 60
    """Settings to try for each model, including the defaults."""
    seed: int = 0
    """Seed of the settings."""
    output: Path | None = None
    """File for the numbers as JSON."""


def main(options: Options) -> int:
    """Compare and return the exit code."""
    return exit_code(partial(compare, options))


def compare(options: Options) -> int:
    """Fit, test and print a table.

    Raises:
        InvalidSettingError: The number of settings is below 1.
        InvalidDataError: The table lacks a column.
    """
    if options.settings < 1:
        raise InvalidSettingError(f"Option --settings must be >= 1, but is {options.settings}.")
    table = _read(options.table, options.target)
    rows = []
    for name, make, space in (
        ("logistic regression", logistic_regression, REGRESSION),
        ("gradient boosting", gradient_boosting, BOOSTING),
    ):
        rng, begun = np.random.default_rng(options.seed), time.monotonic()
        tried = [fit(make, x, table, options.target) for x in drawn(space, options.settings, rng)]
        best = max(tried, key=lambda x: x["validation"]["accuracy"])  # the earliest of equals
        seconds = round(time.monotonic() - begun, 1)
        first, chosen = (tested(x, table, options.target) for x in (tried[0], best))
        rows += [{"name": f"{name}, as it comes", **first}]
        rows += [{"name": f"{name}, best of {options.settings}", **chosen, "seconds": seconds}]
    print("\n".join(lines(rows)))
    if options.output is not None:
        options.output.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return 0


REGRESSION = {"C": lambda rng: 10 ** rng.uniform(-3, 3)}
BOOSTING = {
    "learning_rate": lambda rng: 10 ** rng.uniform(-2.5, 0),
    "max_iter": lambda rng: int(rng.integers(20, 400)),
    "max_leaf_nodes": lambda rng: int(rng.integers(3, 64)),
    "min_samples_leaf": lambda rng: int(rng.integers(2, 60)),
    "l2_regularization": lambda rng: 10 ** rng.uniform(-3, 2),
}


def drawn(
    space: Mapping[str, Any], count: int, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Yield the default settings, then random ones."""
    yield {}
    for _ in range(count - 1):
        yield {name: draw(rng) for name, draw in space.items()}


def logistic_regression(settings: Mapping[str, Any], words: list[str], numbers: list[str]) -> Any:
    """Return logistic regression on one-hot categories and standardised, filled numbers."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), words),
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
    )
    return make_pipeline(columns, LogisticRegression(max_iter=ITERATIONS, **settings))


def gradient_boosting(settings: Mapping[str, Any], words: list[str], numbers: list[str]) -> Any:
    """Return gradient boosting that handles categories and missing values directly."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    unknown = {"handle_unknown": "use_encoded_value", "unknown_value": np.nan}
    columns = make_column_transformer((OrdinalEncoder(**unknown), words), ("passthrough", numbers))
    which = list(range(len(words)))
    boosting = HistGradientBoostingClassifier(
        categorical_features=which, random_state=0, **settings
    )
    return make_pipeline(columns, boosting)


def fit(make: Any, settings: Mapping[str, Any], table: Any, target: str) -> dict[str, Any]:
    """Return a fitted model with its settings and its quality on the validation split."""
    train, validation = (table[table["split"] == split] for split in ("train", "val"))
    columns = table.drop(columns=[target, "split"])
    numbers = list(columns.select_dtypes("number"))
    words = [name for name in columns if name not in numbers]
    model = make(settings, words, numbers)
    model.fit(train, train[target])
    record = {"settings": dict(settings), "validation": quality(model, validation, target)}
    return {**record, "model": model}


def tested(fitted: Mapping[str, Any], table: Any, target: str) -> dict[str, Any]:
    """Return the record of a fitted model with its quality on the test split."""
    record = {key: x for key, x in fitted.items() if key != "model"}
    return {**record, "test": quality(fitted["model"], table[table["split"] == "test"], target)}


def quality(model: Any, part: Any, target: str) -> dict[str, float]:
    """Return accuracy on a split, and ROC-AUC for two classes."""
    from sklearn.metrics import accuracy_score, roc_auc_score

    chances = model.predict_proba(part)
    metrics = {"accuracy": accuracy_score(part[target], model.predict(part))}
    if chances.shape[1] == 2:
        metrics["roc_auc"] = roc_auc_score(part[target] == model.classes_[1], chances[:, 1])
    return {key: float(value) for key, value in metrics.items()}


def lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the table."""
    yield "| model | validation accuracy, % | test accuracy, % |"
    yield "| --- | ---: | ---: |"
    for row in rows:
        accuracies = [f"{100 * row[split]['accuracy']:.2f}" for split in ("validation", "test")]
        yield f"| {row['name']} | {accuracies[0]} | {accuracies[1]} |"


def _read(file: Path, target: str) -> Any:
    import pandas

    if not file.is_file():
        raise InvalidDataError(
            f"There is no table {file}. Write it with scripts/studies/cases/example_data.py."
        )
    table = pandas.read_csv(file)
    for name in (target, "split"):
        if name not in table:
            raise InvalidDataError(
                f"Table {file} has no column {name!r}. It has: {', '.join(table)}."
            )
    return table


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, description=Options.__doc__)))
