"""Temperatures and calibration errors are those of their definitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.errors import IncompatibleError
from nas_env.evaluation import Budget
from nas_env.evaluators.training import Training
from nas_env.export import export
from nas_env.export.calibration import LIMITS, calibrate, calibration_error, fit_temperature
from nas_env.tasks.own_data import own_data


def plain_error(probabilities: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> float:
    """Return the error of equation 3 of the paper, sample by sample."""
    best, confidence = probabilities.argmax(1), probabilities.max(1)
    error = 0.0
    for place in range(15):
        inside = (confidence > place / 15) & (confidence <= (place + 1) / 15)
        if inside.any():
            gap = (best[inside] == y[inside]).mean() - confidence[inside].mean()
            error += inside.mean() * abs(gap)
    return float(error)


def drawn(seed: int, classes: int, scale: float, count: int = 200) -> tuple[Any, Any]:
    """Return logits, and classes drawn from them after division by the scale."""
    generator = torch.Generator().manual_seed(seed)
    true = 2 * torch.randn(count, classes, generator=generator)
    y = torch.multinomial(true.softmax(1), 1, generator=generator)[:, 0]
    return true * scale, y


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 12), st.floats(0.2, 5))
def test_the_error_is_that_of_the_paper(seed: int, classes: int, scale: float) -> None:
    logits, y = drawn(seed, classes, scale)
    expected = plain_error(logits.double().softmax(1).numpy(), y.numpy())
    assert calibration_error(logits, y) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 12), st.floats(0.2, 5))
def test_no_other_temperature_has_a_smaller_loss(seed: int, classes: int, scale: float) -> None:
    logits, y = drawn(seed, classes, scale)
    best = fit_temperature(logits, y)

    def loss(temperature: float) -> float:
        return functional.cross_entropy(logits.double() / temperature, y).item()

    others = np.geomspace(*LIMITS, 300)
    assert loss(best) <= min(map(loss, others)) + 1e-9
    assert LIMITS[0] <= best <= LIMITS[1]


@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0])
def test_the_scale_of_drawn_classes_is_recovered(scale: float) -> None:
    logits, y = drawn(1, 5, scale, 40_000)
    temperature = fit_temperature(logits, y)
    assert temperature == pytest.approx(scale, rel=0.05)
    assert calibration_error(logits / temperature, y) < 0.01


def test_without_errors_the_temperature_is_the_lowest() -> None:
    assert fit_temperature(torch.eye(3), torch.arange(3)) == LIMITS[0]
    assert fit_temperature(torch.eye(3), torch.tensor([1, 2, 0])) == LIMITS[1]


def trained(task: Any) -> tuple[Architecture, torch.nn.Module]:
    candidate = Candidate(Architecture((Layer.of("linear", units=4),)))
    network, _ = Training(task, device="cpu").train(candidate, Budget(epochs=1))
    return candidate.architecture, network


def test_only_probabilities_are_calibrated(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(90, 3))
    task = own_data({"x": x, "y": x @ [1, 2, 3]}, problem="regression")
    architecture, network = trained(task)
    with pytest.raises(IncompatibleError, match=r"is a regression task\. Leave calibration out"):
        export(architecture, network.state_dict(), task, tmp_path / "export", calibrated=True)
    assert not (tmp_path / "export").exists()


def test_only_the_validation_split_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(300, 3))
    task = own_data({"x": x, "y": (x[:, 0] > 0).astype(int)})
    _, network = trained(task)
    read, tensors = [], task.tensors

    def watched(split: str, device: str = "cpu") -> Any:
        read.append(split)
        return tensors(split, device)

    monkeypatch.setattr(task, "tensors", watched)
    calibration = calibrate(network, task)
    assert read == ["validation"]
    inputs, y = tensors("validation")
    with torch.inference_mode():
        logits = network(inputs)
    assert calibration.temperature == fit_temperature(logits, y)
    assert calibration.before == calibration_error(logits, y)
    assert calibration.after == calibration_error(logits / calibration.temperature, y)
