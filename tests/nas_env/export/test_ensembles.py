"""Exported ensembles and calibrated networks give the same probabilities in every format."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Budget
from nas_env.evaluators.training import Training
from nas_env.export import export, export_ensemble
from nas_env.export.ensemble import Ensemble, Tempered
from nas_env.export.folder import load_module
from nas_env.tasks.own_data import own_data

CONV = Architecture((Layer.of("conv", channels=4, kernel=3), Layer.of("global-average-pool")))
BLOCK = Architecture(
    (
        Layer.of("conv", channels=4, kernel=3),
        Layer.of("mb-conv", channels=4, kernel=3, expansion=2, squeeze=4),
        Layer.of("global-average-pool"),
    )
)
LINEAR = Architecture((Layer.of("linear", units=5),))
DEEP = Architecture((Layer.of("linear", units=8), Layer.of("linear", units=3)))
CHOICES = {  # modality: networks of an ensemble
    "image": {"one": [CONV], "seeds": [CONV, CONV], "several": [BLOCK, CONV, BLOCK]},
    "vector": {"one": [LINEAR], "seeds": [LINEAR] * 3, "several": [LINEAR, DEEP]},
}
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(150, 3, 6, 5)).astype(np.float32)
VECTORS = RNG.normal(size=(150, 4)).astype(np.float32)
SIGN = {
    "image": (IMAGES[:, 0].mean((1, 2)) > 0).astype(int) + (IMAGES[:, 1, 0, 0] > 1),
    "vector": (VECTORS[:, 0] > 0).astype(int) + (VECTORS[:, 1] > 1),
}
CASES = [
    (modality, problem, choice, calibrated)
    for modality, problem, choice, calibrated in product(
        ("image", "vector"),
        ("classification", "regression"),
        ("one", "seeds", "several"),
        (False, True),
    )
    if problem == "classification" or not calibrated
]


def made_task(modality: str, problem: str) -> Any:
    x = IMAGES if modality == "image" else VECTORS
    y = SIGN[modality] if problem == "classification" else 50 + 3 * x.reshape(150, -1)[:, 0]
    return own_data({"x": x, "y": y}, problem=problem)


def trained(task: Any, architectures: list[Architecture]) -> list[Any]:
    trainings = []
    for seed, architecture in enumerate(architectures):
        budget = Budget(epochs=2, training_seed=seed)
        network, _ = Training(task, device="cpu").train(Candidate(architecture), budget)
        trainings.append(network.eval())
    return trainings


@pytest.mark.parametrize(("modality", "problem", "choice", "calibrated"), CASES)
def test_every_format_gives_the_answers_of_the_whole(
    modality: str, problem: str, choice: str, calibrated: bool, tmp_path: Path
) -> None:
    task, architectures = made_task(modality, problem), CHOICES[modality][choice]
    networks = trained(task, architectures)
    members = [(x, y.state_dict()) for x, y in zip(architectures, networks, strict=True)]
    if len(members) == 1:
        exported = export(*members[0], task, tmp_path, calibrated)
    else:
        exported = export_ensemble(members, task, tmp_path, calibrated)
    whole: Any = networks[0] if len(members) == 1 else Ensemble(networks, problem)
    assert (exported.calibration is not None) == calibrated
    if exported.calibration is not None:
        whole = Tempered(whole, exported.calibration.temperature)
    module: Any = load_module(tmp_path)
    x, _ = task.tensors("validation")
    with torch.inference_mode():
        outputs = whole(x)
    raw = torch.from_numpy(task.data.x[task.data.rows["validation"]])
    answers = module.predict(module.load(), raw)
    if problem == "classification":
        assert torch.equal(answers, outputs.softmax(1))
        mean = torch.stack([network(x).softmax(1) for network in networks]).mean(0)
        if not calibrated:
            torch.testing.assert_close(answers, mean.detach())
        assert answers.argmax(1).equal(mean.argmax(1))
    else:
        expected = outputs[:, 0].double() * task.target_sd + task.target_mean
        assert torch.equal(answers, expected)
    assert exported.validation == task.validate(whole)
    program = torch.export.load(tmp_path / "network.pt2").module()
    with torch.no_grad():
        torch.testing.assert_close(program(x), outputs, atol=2e-5, rtol=1e-5)
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx")
    (onnx,) = session.run(None, {"x": np.ascontiguousarray(module.preprocess(raw).numpy())})
    torch.testing.assert_close(torch.from_numpy(onnx), outputs, atol=2e-5, rtol=1e-5)
    data = json.loads((tmp_path / "network.json").read_text())
    assert data.get("ensemble", 1) == len(members)
    assert ("temperature" in data) == calibrated


def test_equal_architectures_share_a_class(tmp_path: Path) -> None:
    task = made_task("image", "classification")
    architectures = [BLOCK, CONV, BLOCK]
    members = [
        (x, y.state_dict())
        for x, y in zip(architectures, trained(task, architectures), strict=True)
    ]
    export_ensemble(members, task, tmp_path)
    text = (tmp_path / "network.py").read_text()
    assert text.startswith('"""An ensemble of 3 networks found by architecture search on own-data.')
    assert "self.members = nn.ModuleList([Member1(), Member2(), Member1()])" in text
    assert text.count("class Member") == 2 and text.count("class MBConv") == 1


def test_one_network_is_no_ensemble(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettingError, match="at least 2 networks, got 0"):
        export_ensemble([], made_task("vector", "classification"), tmp_path)
