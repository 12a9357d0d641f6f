"""Fit a support vector classifier on the pixels of images, for docs/cases.md.

Example: python -m scripts.studies.cases.baselines data/cases/digits
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError
from nas_env.tasks.own_data import DataTask, own_data
from nas_env_cli.interrupts import exit_code
from nas_env_cli.search.sklearn_baselines import Baseline, best

NAME = "SVC, RBF kernel"
STRENGTHS = (1.0, 10.0, 100.0)  # C
WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # gamma, in units of "scale": 1 / (features * variance)
CACHE_MB = 1000


@dataclass(frozen=True)
class Options:
    """Fit a support vector classifier with an RBF kernel on the pixels of images.

    It is fitted on the training split of a search on the same data. The values of C and gamma that
    are best on the validation split are tested once.
    """

    data: Annotated[Path, tyro.conf.Positional]
    """Images by class, as an .npz file or a folder."""
    output: Path | None = None
    """File for the numbers as JSON."""


def main(options: Options) -> int:
    """Compare and return the exit code."""
    return exit_code(partial(run, options))


def run(options: Options) -> int:
    """Fit, test, and print the best model as JSON.

    Raises:
        InvalidDataError: The data are no images with classes.
    """
    task = own_data(options.data)
    if task.spec.modality != "image" or task.spec.problem != "classification":
        raise InvalidDataError(
            f"{options.data}: holds no images with classes. For tables, nas-env search compares "
            "with scikit-learn itself."
        )
    text = json.dumps(asdict(support_vectors(task)), indent=1)
    print(text)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    return 0


def support_vectors(task: DataTask) -> Baseline:
    """Return the classifier with the best C and gamma on validation, measured on the test split."""
    x, y = pixels_of(task)
    scale = 1 / (x.shape[1] * x.var(dtype=np.float64))
    distances, fits, models = squared_distances(x, x), [], []
    for width in WIDTHS:
        kernel = np.exp(-width * scale * distances)
        for strength, model, seconds in _fitted(kernel, y):
            network = _network(model, x, width * scale, task.spec.num_outputs)
            text = f"C={strength:g}, gamma={width:g} * scale"
            validation = task.validate(network)[task.spec.metric]
            fits.append(Baseline(NAME, text, validation, None, seconds))
            models.append(network)
    chosen = best(fits, task.spec.higher_is_better)
    network = models[fits.index(chosen)]
    return replace(chosen, test=task.test(network)[task.spec.metric])


def _fitted(kernel: NDArray[Any], y: NDArray[Any]) -> Iterator[tuple[float, Any, float]]:
    """Yield C, the fitted model and the seconds of the fit."""
    from sklearn.svm import SVC

    for strength in STRENGTHS:
        begun = time.monotonic()
        model = SVC(C=strength, kernel="precomputed", cache_size=CACHE_MB).fit(kernel, y)
        yield strength, model, round(time.monotonic() - begun, 1)


def pixels_of(task: DataTask) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return the training samples as the networks read them, flat, and their classes."""
    x, y = task.tensors("train")
    return x.flatten(1).numpy(), y.numpy()


def squared_distances(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Return the squared distances of the rows of two arrays, (len(one), len(other))."""
    one, other = one.astype(np.float64), other.astype(np.float64)
    squares: NDArray[np.float64] = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T
    return squares.clip(min=0.0)


def _network(model: Any, train: NDArray[Any], gamma: float, outputs: int) -> Any:
    """Return a classifier with the outputs of a network, for the metrics of a task."""
    import torch
    from torch import nn

    class AsNetwork(nn.Module):
        """Its outputs are 1 for the predicted class and 0 for the others."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            kernel = np.exp(-gamma * squared_distances(x.flatten(1).numpy(), train))
            classes = torch.from_numpy(model.predict(kernel))
            return nn.functional.one_hot(classes, outputs).float()

    return AsNetwork()


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, description=Options.__doc__)))
