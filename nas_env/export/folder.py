"""The folder of an exported network."""

from __future__ import annotations

import errno
import importlib.util
import io
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from nas_env.architecture import Architecture
from nas_env.errors import ExportMismatchError, InvalidSettingError
from nas_env.export import _formats as formats
from nas_env.export._answers import REGRESSION, target_of
from nas_env.export._formats import Quantised
from nas_env.export.calibration import Calibration, calibrate
from nas_env.export.ensemble import Ensemble, Tempered
from nas_env.export.preprocessing import steps_of
from nas_env.export.source import WEIGHTS, Source, write_ensemble_source, write_source
from nas_env.extras import missing, sentence
from nas_env.network import build
from nas_env.tasks.base import Task

EXAMPLES = 256  # samples for the comparison of outputs
Member = tuple[Architecture, Mapping[str, Tensor]]  # with the state dict of the built network


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
        calibration: The temperature of the written network; None if it was not calibrated.
    """

    files: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    params: int = 0
    validation: Mapping[str, float] = field(default_factory=dict)
    onnx_difference: float | None = None
    quantised: Quantised | None = None
    calibration: Calibration | None = None


def export(
    architecture: Architecture,
    weights: Mapping[str, Tensor],
    task: Task,
    folder: Path,
    calibrated: bool = False,
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
        calibrated: Whether the network divides its logits by a temperature that is fitted on the
            validation split; see `nas_env.export.calibration`.

    Raises:
        InvalidArchitectureError: The network cannot be built or written.
        ExportMismatchError: The outputs of a written file differ from those of the network.
        IncompatibleError: The task cannot be calibrated, such as one of regression.
    """
    return _export([(architecture, weights)], task, folder, calibrated)


def export_ensemble(
    members: Sequence[Member], task: Task, folder: Path, calibrated: bool = False
) -> Exported:
    """Write an ensemble of trained networks to a folder, as `export` writes a network.

    The written network computes the mean of the probabilities of its members, or of their
    predictions for regression; see `nas_env.export.ensemble.Ensemble`.

    Args:
        members: Architecture and state dict of each network.
        task: See `export`.
        folder: See `export`.
        calibrated: See `export`; there is one temperature, for the mean probabilities.

    Raises:
        InvalidSettingError: There are fewer than two networks.
        NASError: See `export`.
    """
    if len(members) < 2:
        raise InvalidSettingError(
            f"An ensemble needs at least 2 networks, got {len(members)}. Export the network alone."
        )
    return _export(members, task, folder, calibrated)


def _export(members: Sequence[Member], task: Task, folder: Path, calibrated: bool) -> Exported:
    folder = folder.resolve()  # follow links
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as part:
        exported = _written(_Writer(members, task, Path(part), calibrated))
        folder.mkdir(exist_ok=True)
        for name in exported.files:
            if (folder / name).is_dir():  # the file would be moved into it
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), folder / name)
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
    return Exported(*files, params, validation, difference, quantised, writer.calibration)


class _Writer:
    def __init__(
        self, members: Sequence[Member], task: Task, folder: Path, calibrated: bool
    ) -> None:
        self.task, self.folder = task, folder
        self.architectures = [architecture for architecture, _ in members]
        self.searched = _searched(members, task)
        self.calibration = calibrate(self.searched, task) if calibrated else None
        self.files: dict[str, str] = {}
        self.left_out: dict[str, str] = {}

    @property
    def temperature(self) -> float | None:
        """The temperature of the written network."""
        return self.calibration.temperature if self.calibration else None

    def source(self) -> None:
        """Write the source, the weights, and the preprocessing as plain data."""
        spec, classes = self.task.spec, list(getattr(self.task, "classes", ()))
        steps, (mean, sd) = steps_of(self.task), target_of(self.task)
        how = spec, steps, classes, (mean, sd), self.temperature
        source = self._source(*how)
        weights = source.weights(self.searched.state_dict())
        weights = {key: x.detach().cpu().contiguous() for key, x in weights.items()}
        data = {"input_shape": spec.input_shape, "num_outputs": spec.num_outputs}
        data |= {"problem": spec.problem, "preprocessing": steps, "torch": formats.TORCH}
        if spec.problem == REGRESSION:
            data |= {"target": {"mean": mean, "sd": sd}}
        else:
            data |= {"classes": classes}
        if len(self.architectures) > 1:
            data["ensemble"] = len(self.architectures)
        if self.temperature is not None:
            data["temperature"] = self.temperature
        (self.folder / "network.py").write_text(source.text, encoding="utf-8")
        (self.folder / "network.json").write_text(json.dumps(data, indent=2), encoding="utf-8")
        content = io.BytesIO()  # torch and safetensors have their own errors for full disks
        torch.save(weights, content)
        (self.folder / WEIGHTS).write_bytes(content.getvalue())
        self.files["network.py"] = "the network as plain PyTorch, with its preprocessing"
        self.files["network.json"] = "shapes, preprocessing and what outputs mean, as plain data"
        self.files[WEIGHTS] = "its state dict, for `torch.load(..., weights_only=True)`"
        if self._has("weights.safetensors", ("safetensors",)):
            from safetensors.torch import save

            (self.folder / "weights.safetensors").write_bytes(save(weights))
            self.files["weights.safetensors"] = "the same"

    def _source(self, *how: Any) -> Source:
        if len(self.architectures) > 1:
            return write_ensemble_source(self.architectures, *how)
        return write_source(self.architectures[0], *how)

    def checked(self) -> nn.Module:
        """Load the written network and compare it with the searched network.

        Raises:
            ExportMismatchError: The outputs are not equal bit for bit.
        """
        written = load(self.folder)
        searched = self.searched
        if self.temperature is not None:
            searched = Tempered(searched, self.temperature).eval()
        x = self._examples()
        with torch.inference_mode():
            same = torch.equal(written(x), searched(x))
        if not same:
            raise ExportMismatchError(
                "Outputs of the written network differ from those of the searched network. Report "
                "the network, with its best.json."
            )
        return written

    def program(self, network: nn.Module) -> None:
        """Write the network as a torch.export program."""
        formats.write_program(network, self._examples().contiguous(), self.folder / "network.pt2")
        self.files["network.pt2"] = (
            f"a program, for `torch.export.load` of torch {formats.TORCH} or later; any batch size"
        )

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


def _searched(members: Sequence[Member], task: Task) -> nn.Module:
    """Return the network that is to be written, or the ensemble, in evaluation mode."""
    networks = []
    for architecture, weights in members:
        network: Any = build(architecture, task.spec)
        network.load_state_dict(dict(weights))
        if len(task.spec.input_shape) == 3:
            network = network.to(memory_format=torch.channels_last)
        networks.append(network)
    whole = networks[0] if len(networks) == 1 else Ensemble(networks, task.spec.problem)
    module: nn.Module = whole.eval()
    return module


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
