"""The folder of an exported network."""

from __future__ import annotations

import importlib.util
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from nas_env.architecture import Architecture
from nas_env.errors import ExportMismatchError
from nas_env.export import _formats as formats
from nas_env.export._answers import REGRESSION, target_of
from nas_env.export._formats import Quantised
from nas_env.export.preprocessing import steps_of
from nas_env.export.source import WEIGHTS, write_source
from nas_env.extras import missing, sentence
from nas_env.network import build
from nas_env.tasks.base import Task

EXAMPLES = 256  # samples for the comparison of outputs


@dataclass(frozen=True)
class Exported:
    """The written files, and the results of the checks.

    Attributes:
        files: Description of each file, by name.
        left_out: Reason why a file was not written, by name.
        params: Trainable parameters of the written network.
        validation: Metrics and loss on the validation split; empty if the task has no `validate`.
        onnx_difference: Largest difference of an output in onnxruntime; None if it was not run.
        quantised: Quality and size in 8-bit integers; None if they were not written.
    """

    files: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    params: int = 0
    validation: Mapping[str, float] = field(default_factory=dict)
    onnx_difference: float | None = None
    quantised: Quantised | None = None


def export(
    architecture: Architecture, weights: Mapping[str, Tensor], task: Task, folder: Path
) -> Exported:
    """Write a trained network to a folder; files of the same names are overwritten.

    All files are first written and checked in a temporary folder next to it. If an error occurs, an
    earlier export stays unchanged.

    These files are always written:

    * `network.py`: source that needs only torch;
    * `weights.pt`: the state dict;
    * `network.json`: shapes, preprocessing, and classes or the target's moments, as plain data;
    * `network.pt2`: torch.export.

    `weights.safetensors`, `network.onnx` and `network.int8.onnx` are written if their packages are
    installed.

    Args:
        architecture: The network.
        weights: Its state dict, with the names of `nas_env.network.build`.
        task: The task it was trained on; the test split is not read.
        folder: Folder to write to; created if it does not exist.

    Raises:
        InvalidArchitectureError: The network cannot be built or written.
        ExportMismatchError: The outputs of a written file differ from those of the network.
    """
    folder = folder.resolve()  # follow links
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as part:
        writer = _Writer(architecture, weights, task, Path(part))
        exported = _written(writer)
        folder.mkdir(exist_ok=True)
        for name in exported.files:
            shutil.move(Path(part) / name, folder / name)
        for name in exported.left_out:
            (folder / name).unlink(missing_ok=True)  # from an earlier network
    return exported


def _written(writer: _Writer) -> Exported:
    """Write and check all files."""
    writer.source()
    network = writer.checked()
    params = sum(x.numel() for x in network.parameters())
    validate = getattr(writer.task, "validate", None)
    validation = {} if validate is None else validate(network)
    plain: Any = network
    network = plain.to(memory_format=torch.contiguous_format)
    writer.program(network)
    difference = writer.onnx(network)
    quantised = writer.int8()
    files = writer.files, writer.left_out
    return Exported(*files, params, validation, difference, quantised)


class _Writer:
    def __init__(
        self, architecture: Architecture, weights: Mapping[str, Tensor], task: Task, folder: Path
    ) -> None:
        self.architecture, self.weights, self.task = architecture, weights, task
        self.folder = folder
        self.files: dict[str, str] = {}
        self.left_out: dict[str, str] = {}

    def source(self) -> None:
        """Write the source, the weights, and the preprocessing as plain data."""
        spec, classes = self.task.spec, list(getattr(self.task, "classes", ()))
        steps, (mean, sd) = steps_of(self.task), target_of(self.task)
        source = write_source(self.architecture, spec, steps, classes, (mean, sd))
        weights = source.weights(self.weights)
        weights = {key: x.detach().cpu().contiguous() for key, x in weights.items()}
        data = {"input_shape": spec.input_shape, "num_outputs": spec.num_outputs}
        data |= {"problem": spec.problem, "preprocessing": steps}
        if spec.problem == REGRESSION:
            data |= {"target": {"mean": mean, "sd": sd}}
        else:
            data |= {"classes": classes}
        (self.folder / "network.py").write_text(source.text, encoding="utf-8")
        (self.folder / "network.json").write_text(json.dumps(data, indent=2), encoding="utf-8")
        torch.save(weights, self.folder / WEIGHTS)
        self.files["network.py"] = "the network as plain PyTorch, with its preprocessing"
        self.files["network.json"] = "shapes, preprocessing and what outputs mean, as plain data"
        self.files[WEIGHTS] = "its state dict, for `torch.load(..., weights_only=True)`"
        if self._has("weights.safetensors", ("safetensors",)):
            from safetensors.torch import save_file

            save_file(weights, self.folder / "weights.safetensors")
            self.files["weights.safetensors"] = "the same"

    def checked(self) -> nn.Module:
        """Load the written network and compare it with the searched network.

        Raises:
            ExportMismatchError: The outputs are not equal bit for bit.
        """
        written = load(self.folder)
        searched: Any = build(self.architecture, self.task.spec)
        searched.load_state_dict(dict(self.weights))
        if len(self.task.spec.input_shape) == 3:
            searched = searched.to(memory_format=torch.channels_last)
        x = self._examples()
        with torch.inference_mode():
            same = torch.equal(written(x), searched.eval()(x))
        if not same:
            raise ExportMismatchError(
                "Outputs of the written network differ from those of the searched network. Report "
                "the network, with its best.json."
            )
        return written

    def program(self, network: nn.Module) -> None:
        """Write the network as a torch.export program."""
        formats.write_program(network, self._examples().contiguous(), self.folder / "network.pt2")
        self.files["network.pt2"] = "a program, for `torch.export.load`; any batch size"

    def onnx(self, network: nn.Module) -> float | None:
        """Write the network as ONNX, and return the largest difference in onnxruntime."""
        if not self._has("network.onnx", formats.ONNX_PACKAGES):
            return None
        path = self.folder / "network.onnx"
        output = "standardised" if self.task.spec.problem == REGRESSION else "logits"
        difference = formats.write_onnx(network, self._examples().contiguous(), path, output)
        self.files["network.onnx"] = "ONNX, float32; any batch size"
        return difference

    def int8(self) -> Quantised | None:
        """Write the network in 8-bit integers, and return its quality and size."""
        if not self._has("network.int8.onnx", formats.ONNX_PACKAGES):
            return None
        task: Any = self.task
        if not (hasattr(task, "tensors") and hasattr(task, "validate")):
            self.left_out["network.int8.onnx"] = (
                f"task {task.spec.name!r} gives no samples for calibration. Implement the methods "
                "`tensors` and `validate`, as in SupervisedTask"
            )
            return None
        paths = self.folder / "network.onnx", self.folder / "network.int8.onnx"
        quantised = formats.write_int8(
            *paths, task.tensors("train")[0], lambda x: task.validate(x)[task.spec.metric]
        )
        self.files["network.int8.onnx"] = "ONNX, 8-bit weights and activations"
        return quantised

    def _has(self, name: str, packages: tuple[str, ...]) -> bool:
        """Return whether packages are installed; if not, record the file as left out."""
        absent = missing(packages)
        if absent:
            extra = "onnx" if packages == formats.ONNX_PACKAGES else "agents"
            self.left_out[name] = sentence("It needs", absent, extra).removesuffix(".")
        return not absent

    def _examples(self) -> Tensor:
        tensors = getattr(self.task, "tensors", None)
        if tensors is not None:
            x: Tensor = tensors("validation")[0][:EXAMPLES]
            return x.cpu() if len(x) > 1 else torch.cat([x, x]).cpu()
        generator = torch.Generator().manual_seed(0)
        return torch.randn(EXAMPLES, *self.task.spec.input_shape, generator=generator)


def load_module(folder: Path) -> ModuleType:
    """Import the `network.py` of an export.

    This executes the file, so use only folders that you trust.
    """
    spec = importlib.util.spec_from_file_location("exported_network", folder / "network.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(folder / "network.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load(folder: Path) -> nn.Module:
    """Return an exported network with its weights, from the `load` of its `network.py`."""
    network: nn.Module = load_module(folder).load()
    return network
