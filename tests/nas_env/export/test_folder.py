"""The folder of an export: each file is what it says, and needs nothing of this package."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nas_env import extras
from nas_env.architecture import Architecture, Layer
from nas_env.errors import ExportMismatchError
from nas_env.export import Exported, Source, _formats, export
from nas_env.skeletons import scaled
from nas_env.spaces import SPACES
from nas_env.tasks import TASKS, Task, TaskSpec
from nas_env.tasks.base import TaskWithoutData
from tests.support.written_network import as_if_trained

CHAIN = Architecture(
    (
        Layer.of("conv", channels=4, kernel=3),
        Layer.of("max-pool", kernel=2, stride=2),
        Layer.of("mb-conv", channels=4, kernel=3, expansion=2, squeeze=2),
        Layer.of("dropout", rate=0.2),
    )
)
# Refuses this package wherever it is asked for, then runs the program after it.
ALONE = """
import sys
class Refuse:
    def find_spec(self, name, *rest):
        if name.split(".")[0] in ("nas_env", "agents"):
            raise ImportError(f"{name} is refused")
sys.meta_path.insert(0, Refuse())
import pathlib, torch
torch.set_num_threads(1)
folder = pathlib.Path(sys.argv[1])
x = torch.load(folder / "x.pt", weights_only=True)
"""
LOAD = """
import importlib.util
spec = importlib.util.spec_from_file_location("network", folder / "network.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
network = module.load()
with torch.inference_mode():
    torch.save(network(x), folder / "found.pt")
"""
PROGRAM = """
program = torch.export.load(folder / "network.pt2").module()
with torch.no_grad():
    torch.save(torch.cat([program(x[:1]), program(x)]), folder / "found.pt")
"""


def sealed(task: Any) -> Task:
    """Return a task whose test split cannot be read."""
    del task._splits["test"]
    return task  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def task() -> Any:
    return sealed(TASKS.get("digits")())


@pytest.fixture(scope="module")
def network(task: Any) -> nn.Module:
    found: Any = as_if_trained(CHAIN, task.spec).eval()
    return found.to(memory_format=torch.channels_last)  # as training leaves it


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def exported(task: Any, network: nn.Module, folder: Path) -> Exported:
    return export(CHAIN, network.state_dict(), task, folder)


def alone(program: str, folder: Path, x: torch.Tensor) -> torch.Tensor:
    """Return what a program without this package saves."""
    torch.save(x, folder / "x.pt")
    command = [sys.executable, "-I", "-c", ALONE + program, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=170)
    assert done.returncode == 0, done.stderr
    found: torch.Tensor = torch.load(folder / "found.pt", weights_only=True)
    return found


def test_every_file_is_there_and_named(exported: Exported, folder: Path) -> None:
    assert not exported.left_out
    assert set(exported.files) == {
        "network.py",
        "network.json",
        "weights.pt",
        "weights.safetensors",
        "network.pt2",
        "network.onnx",
        "network.int8.onnx",
    }
    assert all((folder / name).stat().st_size > 100 for name in exported.files)


def test_outputs_are_the_searched_networks_bit_for_bit(
    exported: Exported, folder: Path, network: nn.Module, task: Any
) -> None:
    x, y = task.tensors("validation")
    with torch.inference_mode():
        expected = network(x)
    assert torch.equal(alone(LOAD, folder, x), expected)
    accuracy = (expected.argmax(1) == y).float().mean().item()
    assert exported.validation["accuracy"] == pytest.approx(accuracy)
    assert exported.params == sum(p.numel() for p in network.parameters())


def test_the_written_file_runs_alone_as_a_program(exported: Exported, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(folder / "network.py")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["class", "class"]


def test_the_program_runs_alone_for_any_batch(
    exported: Exported, folder: Path, network: nn.Module, task: Any
) -> None:
    x = task.tensors("validation")[0][:5].contiguous()
    with torch.inference_mode():
        expected = torch.cat([network(x[:1]), network(x)])
    torch.testing.assert_close(alone(PROGRAM, folder, x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("count", [1, 5])
def test_onnx_is_the_same_to_a_hundred_thousandth_for_any_batch(
    exported: Exported, folder: Path, network: nn.Module, task: Any, count: int
) -> None:
    x = task.tensors("validation")[0][:count]
    with torch.inference_mode():
        expected = network(x).numpy()
    found = _formats.runner(folder / "network.onnx")(x.numpy())
    assert found.shape == (count, 10)
    assert np.abs(found - expected).max() <= 1e-5 * max(1, np.abs(expected).max())


def test_the_difference_that_is_told_is_that_of_the_compared_samples(
    exported: Exported, folder: Path, network: nn.Module, task: Any
) -> None:
    x = task.tensors("validation")[0][:256]
    with torch.inference_mode():
        expected = network(x).numpy()
    difference = np.abs(_formats.runner(folder / "network.onnx")(x.numpy()) - expected).max()
    assert exported.onnx_difference == pytest.approx(difference, abs=1e-5)


def test_int8_is_measured_before_and_after(exported: Exported, folder: Path, task: Any) -> None:
    found, (x, y) = exported.quantised, task.tensors("validation")
    assert found is not None
    names = ("network.onnx", "network.int8.onnx")
    assert found.size == tuple((folder / name).stat().st_size for name in names)
    for name, accuracy in zip(names, found.quality, strict=True):
        guess = _formats.runner(folder / name)(x.numpy()).argmax(axis=1)
        assert accuracy == pytest.approx((guess == y.numpy()).mean())
    assert found.quality[0] == pytest.approx(exported.validation["accuracy"])
    import onnx

    kinds = [node.op_type for node in onnx.load(folder / "network.int8.onnx").graph.node]
    assert "QuantizeLinear" in kinds and "DequantizeLinear" in kinds


def contents(path: Path) -> dict[str, bytes]:
    """Return the bytes of a file, and of what it holds if it is an archive."""
    found = {path.name: path.read_bytes()}
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            found |= {name: archive.read(name) for name in archive.namelist()}
    return found


def test_no_file_tells_of_this_machine_or_holds_samples(
    exported: Exported, folder: Path, task: Any
) -> None:
    packages = Path(torch.__file__).parents[1]
    words = [folder.parent.name, str(folder), str(packages), "site-packages", str(Path(__file__))]
    sample = task.tensors("validation")[0][0].numpy().tobytes()
    for file in exported.files:
        for name, data in contents(folder / file).items():
            assert not [word for word in words if word.encode() in data], name
            assert sample not in data, name
    torch.export.load(folder / "network.pt2").run_decompositions()


def test_the_preprocessing_is_plain_data_too(exported: Exported, folder: Path, task: Any) -> None:
    data = json.loads((folder / "network.json").read_text())
    assert data["preprocessing"] == task.preprocessing
    assert data["input_shape"] == [1, 8, 8] and data["num_outputs"] == 10


def test_what_is_not_installed_is_left_out_and_said(
    monkeypatch: pytest.MonkeyPatch, task: Any, network: nn.Module, tmp_path: Path
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    (tmp_path / "network.onnx").write_text("of an earlier network")
    found = export(CHAIN, network.state_dict(), task, tmp_path)
    assert set(found.files) == {"network.py", "network.json", "weights.pt", "network.pt2"}
    assert set(found.files) == {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert found.onnx_difference is None and found.quantised is None
    assert found.left_out["network.onnx"] == (
        "It needs onnx, onnxruntime and onnxscript, which are not installed. "
        'Run: pip install "nas-env[onnx]"'
    )
    assert found.left_out["weights.safetensors"].endswith('Run: pip install "nas-env[agents]"')


def test_other_outputs_are_refused(
    monkeypatch: pytest.MonkeyPatch, task: Any, network: nn.Module, tmp_path: Path
) -> None:
    right = Source.weights

    def wrong(self: Source, searched: Any) -> Any:
        weights = right(self, searched)
        return {**weights, "conv1.weight": weights["conv1.weight"] * (1 + 1e-6)}

    monkeypatch.setattr(Source, "weights", wrong)
    with pytest.raises(ExportMismatchError, match="Outputs of the written network differ"):
        export(CHAIN, network.state_dict(), task, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_export_stays_whole_until_the_next_one_is_checked(
    monkeypatch: pytest.MonkeyPatch, task: Any, network: nn.Module, tmp_path: Path
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    folder, weights = tmp_path / "out", network.state_dict()
    export(CHAIN, weights, task, folder)
    (folder / "network.onnx").write_text("of an earlier network")
    (folder / "mine.txt").write_text("notes")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    other = {key: 2 * x if x.is_floating_point() else x for key, x in weights.items()}

    def fails(*_: Any) -> None:
        raise ExportMismatchError("as told")

    with monkeypatch.context() as patch, pytest.raises(ExportMismatchError):
        patch.setattr(_formats, "write_program", fails)
        export(CHAIN, other, task, folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert list(tmp_path.iterdir()) == [folder]
    export(CHAIN, other, task, folder)
    assert (folder / "weights.pt").read_bytes() != before[folder / "weights.pt"]
    assert (folder / "mine.txt").read_text() == "notes"
    assert not (folder / "network.onnx").exists() and list(tmp_path.iterdir()) == [folder]


def test_a_task_without_data_is_exported_but_for_int8(tmp_path: Path) -> None:
    spec = TaskSpec("far-away", 1, "image", (3, 8, 8), 10)
    rng = np.random.default_rng(0)
    space = SPACES.get("nasbench201")(input_shape=spec.input_shape, num_outputs=10)
    found = scaled(space.decode(space.sample(rng)).architecture, repeats=1, channels=4)
    weights = as_if_trained(found, spec).state_dict()
    (tmp_path / "network.int8.onnx").write_bytes(b"of an earlier network")
    exported = export(found, weights, TaskWithoutData(spec, "table", "far"), tmp_path)
    assert not (tmp_path / "network.int8.onnx").exists()
    assert exported.onnx_difference is not None
    assert not exported.validation
    assert "gives no samples" in exported.left_out["network.int8.onnx"]


def test_classes_of_ones_own_data_have_their_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    rng = np.random.default_rng(0)
    data = {"x": rng.normal(size=(60, 4)), "y": np.array(["yes", "no", "perhaps"] * 20)}
    own = sealed(TASKS.get("own-data")(data=data))
    layers = Architecture((Layer.of("linear", units=5),))
    export(layers, as_if_trained(layers, own.spec).state_dict(), own, tmp_path)
    assert json.loads((tmp_path / "network.json").read_text())["classes"] == [
        "no",
        "perhaps",
        "yes",
    ]
    done = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "network.py")], capture_output=True, text=True
    )
    assert {line.split(":")[0] for line in done.stdout.splitlines()} <= {"no", "perhaps", "yes"}
    assert len(done.stdout.splitlines()) == 2, done.stderr
