"""Formats of a network that other programs read; each is checked where it can be run."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nas_env.errors import ExportMismatchError
from nas_env.extras import EXTRAS

ONNX_PACKAGES = EXTRAS["onnx"]
TOLERANCE = 1e-5  # of outputs in onnxruntime, relative to the largest output where that is over 1
CALIBRATION = 512  # training samples from which the ranges of activations are taken
BATCH = 64
INPUT = "x"  # what `preprocess` returns


@dataclass(frozen=True)
class Quantised:
    """A network in 8-bit integers beside itself in float32, both run by onnxruntime.

    Attributes:
        quality: The task's metric on the validation split, (float32, int8).
        size: Bytes of the files, (float32, int8).
        calibration: Training samples from which the ranges of activations were taken.
    """

    quality: tuple[float, float]
    size: tuple[int, int]
    calibration: int


def write_program(network: nn.Module, example: Tensor, path: Path) -> None:
    """Write the network as `torch.export.save` writes it, for any batch size.

    Args:
        network: In evaluation mode.
        example: Two or more samples (batch, *shape).
        path: The file.

    Raises:
        ExportMismatchError: What was written computes something else.
    """
    with _quietly():
        shapes = ({0: torch.export.Dim("batch")},)
        program = torch.export.export(network, (example,), dynamic_shapes=shapes)
        _forget(program, torch.zeros(2, *example.shape[1:]))
        torch.export.save(program, path)
        loaded = torch.export.load(path).module()
    for count in (1, len(example)):
        with torch.no_grad():
            _check(path, network(example[:count]).numpy(), loaded(example[:count]).numpy())


def write_onnx(network: nn.Module, example: Tensor, path: Path, output: str = "logits") -> float:
    """Write the network as ONNX, for any batch size, and run it in onnxruntime.

    Args:
        network: In evaluation mode.
        example: Two or more samples (batch, *shape).
        path: The file.
        output: Name of what the network puts out.

    Returns:
        The largest difference of an output from the network's own.

    Raises:
        ExportMismatchError: It is over `TOLERANCE`.
    """
    with _quietly():
        torch.onnx.export(
            network,
            (example,),
            path,
            input_names=[INPUT],
            output_names=[output],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    _forget_in_onnx(path)
    run = runner(path)
    differences = []
    for count in (1, len(example)):
        with torch.no_grad():
            expected = network(example[:count]).numpy()
        differences.append(_check(path, expected, run(example[:count].numpy())))
    return max(differences)


def _forget(program: torch.export.ExportedProgram, zeros: Tensor) -> None:
    """Put zeros for the samples a program was made with, and remove paths of this machine."""
    program.example_inputs = ((zeros,), {})
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)


def _forget_in_onnx(path: Path) -> None:
    """Remove from an ONNX file the remarks on who made it, with paths of this machine."""
    import onnx

    model = onnx.load(path)
    _clear(model)
    onnx.save(model, path)


def _clear(message: Any) -> None:
    for field, value in message.ListFields():
        if field.name in ("doc_string", "metadata_props"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                _clear(part)


def _check(path: Path, expected: NDArray[Any], found: NDArray[Any]) -> float:
    """Return the largest difference, or refuse it."""
    difference = float(np.abs(found - expected).max())
    most = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    if not difference <= most:
        raise ExportMismatchError(
            f"Outputs of {path.name} differ by {difference:.2g} from those of the network, but may "
            f"by {most:.2g}. Report the network, with its best.json."
        )
    return difference


def runner(path: Path) -> Any:
    """Return a function that runs an ONNX file on the CPU: samples (batch, *shape) to outputs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {INPUT: np.ascontiguousarray(x)})[0]


def write_int8(
    float32: Path, path: Path, train: Tensor, measure: Callable[[nn.Module], float]
) -> Quantised:
    """Write an ONNX network with 8-bit weights and activations, and measure both.

    Static quantisation after training: ranges of activations are taken from training samples,
    weights have a scale for each output channel.

    Args:
        float32: The network as ONNX.
        path: The file.
        train: Training samples (n, *shape), as the network takes them; a tensor, or what is
            indexed like one.
        measure: Returns the quality of a network.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    chosen = np.unique(np.linspace(0, len(train) - 1, CALIBRATION).astype(int))
    with _quietly(), tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(float32, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            path,
            _reader(train[torch.from_numpy(chosen)]),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
    _forget_in_onnx(path)
    quality = measure(_Runner(float32)), measure(_Runner(path))
    size = float32.stat().st_size, path.stat().st_size
    return Quantised(quality, size, len(chosen))


class _Runner(nn.Module):
    """An ONNX file in onnxruntime as a module: samples (batch, *shape) to outputs."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.run = runner(path)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of a batch."""
        return torch.from_numpy(self.run(x.numpy()))


def _reader(samples: Tensor) -> Any:
    """Return what gives onnxruntime its calibration samples, batch by batch."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Batches of training samples."""

        def __init__(self) -> None:
            self.batches = iter(torch.split(samples, BATCH))

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            """Return the next batch by the input's name, or None after the last."""
            batch = next(self.batches, None)
            return None if batch is None else {INPUT: np.ascontiguousarray(batch.numpy())}

    return Reader()


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the exporters' notes for their developers from the screen."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
