"""Fit the surrogate `accel-nasbench` to the published networks, and measure it on held-out ones.

Ridge regression on the features of `nas_env.surrogates.Quadratic`, of the logarithm of each number
(of an accuracy, of the error). Rows in which any number is missing are left out. Folds are of
networks, not of rows: the few networks with two rows have both in one fold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from nas_env.spaces.mobile import DEPTHS, EXCITED, EXPANSIONS, FIRST, KERNELS
from nas_env.surrogates.accel_nasbench import ACCURACIES, HARDWARE, TARGETS, model
from nas_env.surrogates.base import from_fitted, to_fitted

Arrays = dict[str, NDArray[Any]]
Numbers = NDArray[np.float64]
FOLDS, SEED, RIDGE = 5, 0, 3.0
STAGES = 7
QUESTIONS = {"e": EXPANSIONS, "k": KERNELS, "l": DEPTHS, "se": EXCITED}  # the ends of columns
SOURCES = {"accuracy": "val_top1", "accuracy_top5": "val_top5", "simulated_seconds": "train_time_s"}


def walks_of(table: Arrays) -> NDArray[np.int64]:
    """Return (rows, 28) the walks in the space `mobile` of the table's networks."""
    columns = [
        first + np.searchsorted(values, table[f"block{stage}_{name}"])
        for stage in range(STAGES)
        for first, (name, values) in zip(FIRST, QUESTIONS.items(), strict=True)
    ]
    return np.stack(columns, axis=1).astype(np.int64)


def numbers_of(table: Arrays) -> Numbers:
    """Return (rows, targets) the numbers, accuracies as fractions; NaN where missing."""
    sources = dict(SOURCES)
    for device, metrics in HARDWARE.items():
        for metric in metrics:
            kind, unit = metric.split("_", 1)
            sources[f"{device}_{metric}"] = f"{kind}_{device.removeprefix('rtx')}_{unit}"
    scale = {name: 100.0 if name in ACCURACIES else 1.0 for name in TARGETS}
    columns = [table[sources[name]].astype(np.float64) / scale[name] for name in TARGETS]
    return np.stack(columns, axis=1)


def complete(table: Arrays) -> tuple[NDArray[np.int64], Numbers]:
    """Return walks and numbers of the rows in which no number is missing."""
    walks, numbers = walks_of(table), numbers_of(table)
    rows = np.isfinite(numbers).all(axis=1)
    return walks[rows], numbers[rows]


def folds_of(walks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (rows,) the fold of each row, the same for rows of one network."""
    networks = np.unique(walks, axis=0, return_inverse=True)[1].reshape(-1)
    order = np.random.default_rng(SEED).permutation(networks.max() + 1)
    return order[networks] % FOLDS


def fitted(numbers: Numbers) -> Numbers:
    """Return (rows, targets) the values to which the regression is fitted."""
    columns = [to_fitted(numbers[:, i], name in ACCURACIES) for i, name in enumerate(TARGETS)]
    return np.stack(columns, axis=1)


def ridge(features: Numbers, values: Numbers) -> Numbers:
    """Return (features, targets) weights; the constant, the first feature, is not shrunk."""
    penalty = np.full(features.shape[1], RIDGE)
    penalty[0] = 0.0
    gram = features.T @ features + np.diag(penalty)
    return np.linalg.solve(gram, features.T @ values).astype(np.float64)


def held_out(features: Numbers, values: Numbers, folds: NDArray[np.int64]) -> Numbers:
    """Return (rows, targets) predictions, each by a model fitted without this network."""
    predictions = np.full(values.shape, np.nan)
    for fold in range(FOLDS):
        out = folds == fold
        predictions[out] = features[out] @ ridge(features[~out], values[~out])
    columns = [from_fitted(predictions[:, i], name in ACCURACIES) for i, name in enumerate(TARGETS)]
    return np.stack(columns, axis=1)


def errors(measured: Numbers, predicted: Numbers) -> Numbers:
    """Return (3,) R2, Kendall's tau-b and the median relative error, see `Errors`."""
    unexplained = ((measured - predicted) ** 2).sum() / ((measured - measured.mean()) ** 2).sum()
    tau = kendalltau(measured, predicted).statistic
    return np.array([1 - unexplained, tau, np.median(np.abs(predicted - measured) / measured)])


def top(measured: Numbers, predicted: Numbers) -> Numbers:
    """Return (3,) the best measured, the excess and tau at the top, see `Surrogate`."""
    promised = np.argsort(-predicted, kind="stable")[: len(predicted) // 100]
    best = np.argsort(-measured, kind="stable")[: len(measured) // 10]
    excess = (predicted - measured)[promised].mean()
    return np.array([measured.max(), excess, kendalltau(measured[best], predicted[best]).statistic])


def fit(table: Arrays) -> Arrays:
    """Return weights and held-out errors by number, and the statistics of the best networks."""
    walks, numbers = complete(table)
    features, values = model().features(walks), fitted(numbers)
    predicted = held_out(features, values, folds_of(walks))
    weights = ridge(features, values)
    arrays: Arrays = {}
    for column, name in enumerate(TARGETS):
        arrays[f"{name}.weights"] = weights[:, column].astype(np.float32)
        arrays[f"{name}.errors"] = errors(numbers[:, column], predicted[:, column])
    accuracy = TARGETS.index("accuracy")
    arrays["top"] = top(numbers[:, accuracy], predicted[:, accuracy])
    arrays["networks"] = np.array([len(np.unique(walks, axis=0))])
    return arrays


def page(arrays: Arrays) -> str:
    """Return the table of held-out errors of docs/environments.md, and the sentence below it."""
    lines = [
        "| number | R² | Kendall's τ | median relative error |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name in TARGETS:
        r2, tau, relative = arrays[f"{name}.errors"].tolist()
        lines.append(f"| `{name}` | {r2:.3f} | {tau:.3f} | {100 * relative:.1f} % |")
    best, excess, tau = arrays["top"].tolist()
    top = (
        f"The sample has {arrays['networks'][0]:,} networks. The best measured accuracy is "
        f"{100 * best:.2f} %. For the 1 % of networks with the highest predictions, predictions "
        f"are {100 * excess:.2f} points too high on average. Among the best tenth, τ is {tau:.3f}."
    )
    return "\n".join([*lines, "", top])
