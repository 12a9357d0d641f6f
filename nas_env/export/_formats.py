"""Formats of a network for other programs; each file is checked after it is written."""

from __future__ import annotations

import io
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

TORCH = torch.__version__.partition("+")[0]  # programs need this version or a later one
ONNX_PACKAGES = EXTRAS["onnx"]
TOLERANCE = 1e-5  # of outputs in onnxruntime, relative to the largest output if that is above 1
CALIBRATION = 512  # training samples that determine the ranges of activations
BATCH = 64
INPUT = "x"  # name of the input, the result of `preprocess`


@dataclass(frozen=True)
class Quantised:
    """Comparison of a network in float32 and in 8-bit integers, both run by onnxruntime.

    Attributes:
        quality: The task's metric on the validation split, (float32, int8).
        size: Sizes of the files in bytes, (float32, int8).
        calibration: Number of training samples that determined the ranges of activations.
    """

    quality: tuple[float, float]
    size: tuple[int, int]
    calibration: int


def write_program(network: nn.Module, example: Tensor, path: Path) -> None:
    """Write the network with `torch.export.save`, for any batch size.

    The file has the version of torch as its extra file `torch_version`.

    Args:
        network: In evaluation mode.
        example: Two or more samples (batch, *shape).
        path: The file.

    Raises:
        ExportMismatchError: The written program computes other outputs.
    """
    with _quietly():
        shapes = ({0: torch.export.Dim("batch")},)
        program = torch.export.export(network, (example,), dynamic_shapes=shapes)
        _forget(program, torch.zeros(2, *example.shape[1:]))
        content = io.BytesIO()
        torch.export.save(program, content, extra_files={"torch_version": TORCH})
        path.write_bytes(content.getvalue())
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
        output: Name of the network's output.

    Returns:
        The largest absolute difference from the network's outputs in torch.

    Raises:
        ExportMismatchError: The difference exceeds `TOLERANCE`.
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
    """Replace the example samples of a program by zeros, and remove paths of this machine."""
    program.example_inputs = ((zeros,), {})
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)


def _forget_in_onnx(path: Path) -> None:
    """Remove the exporter's metadata, which contain paths of this machine, from an ONNX file."""
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


def _check(path: Path, expected: NDArray[Any], actual: NDArray[Any]) -> float:
    """Return the largest difference; raise if it exceeds the tolerance."""
    difference = float(np.abs(actual - expected).max())
    most = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    if not difference <= most:
        raise ExportMismatchError(
            f"Outputs of {path.name} differ by {difference:.2g} from those of the network, more "
            f"than the tolerance {most:.2g}. Report the network, with its best.json."
        )
    return difference


def runner(path: Path) -> Any:
    """Return a function that runs an ONNX file on the CPU, from samples (batch, *shape)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {INPUT: np.ascontiguousarray(x)})[0]


def write_int8(
    float32: Path, path: Path, train: Tensor, measure: Callable[[nn.Module], float]
) -> Quantised:
    """Write an ONNX network with 8-bit weights and activations, and measure both networks.

    This is static post-training quantisation. Ranges of activations come from training samples.
    Weights have one scale for each output channel.

    Args:
        float32: The network as ONNX.
        path: The file.
        train: Preprocessed training samples (n, *shape); a tensor, or an object indexed like one.
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
    """A module that runs an ONNX file in onnxruntime, from samples (batch, *shape)."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.run = runner(path)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of a batch."""
        return torch.from_numpy(self.run(x.numpy()))


def _reader(samples: Tensor) -> Any:
    """Return a reader that yields calibration samples to onnxruntime, batch by batch."""
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
    """Suppress the log messages and warnings of the exporters."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
