"""Writes a network as a plain PyTorch file that needs only torch.

Every kind of layer is written from the module it builds: torch.fx traces the computation of the
module, and the settings of torch's own modules are read from their attributes. So a new kind of
layer needs no code here. A structure that a network repeats is written once, as a function or a
class whose parameters are the numbers that differ.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nas_env.architecture import Architecture
from nas_env.export import _answers as answers
from nas_env.export._ensemble import ensemble_class, ensemble_names, network_class
from nas_env.export._layout import literal
from nas_env.export._network import Written, units_of, write_networks
from nas_env.export.preprocessing import Steps, StepSource, write_steps
from nas_env.network import build
from nas_env.tasks.base import TaskSpec

MEMBER = "A network of the ensemble."
WEIGHTS = "weights.pt"


@dataclass(frozen=True)
class Source:
    """A network as source.

    Attributes:
        text: The file.
        names: Maps each module of the written network to its name in the searched network.
    """

    text: str
    names: Mapping[str, str]

    def weights(self, searched: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the state dict of the written network from that of the searched one.

        Weights that the output does not depend on are left out.
        """
        old = {name: new for new, name in self.names.items()}
        weights = {}
        for key, value in searched.items():
            module, _, last = key.rpartition(".")
            if key in old:
                weights[old[key]] = value
            elif module in old:
                weights[f"{old[module]}.{last}"] = value
        return weights


def write_source(
    architecture: Architecture,
    spec: TaskSpec,
    steps: Steps = (),
    classes: Sequence[str] = (),
    target: tuple[float, float] = (0.0, 1.0),
    temperature: float | None = None,
) -> Source:
    """Return a network as source; deterministic for given arguments.

    For finite numbers, its outputs equal those of `nas_env.network.build` bit for bit. Operations
    that do not change the outputs are left out: layers whose output is not read, and zeros in sums.

    Args:
        architecture: The network.
        spec: Shapes of the task.
        steps: Preprocessing steps; see `nas_env.export.preprocessing`.
        classes: Names of the classes, in the order of the outputs; empty: class numbers are used.
        target: Mean and standard deviation of the targets before standardisation, for regression.
        temperature: The network divides its logits by it; None: it does not.

    Raises:
        InvalidArchitectureError: The network cannot be built, or a module cannot be written.
        UnknownNameError: A preprocessing step does not exist.
        InvalidSettingError: A preprocessing step lacks a setting.
    """
    (written,) = _written([architecture], spec)
    lines = network_class("Network", "The whole network.", written, spec, temperature)
    text = _file([*written.makers, lines], spec, steps, classes, target, temperature)
    return Source(text, written.names)


def write_ensemble_source(
    architectures: Sequence[Architecture],
    spec: TaskSpec,
    steps: Steps = (),
    classes: Sequence[str] = (),
    target: tuple[float, float] = (0.0, 1.0),
    temperature: float | None = None,
) -> Source:
    """Return an ensemble of networks as source; see `write_source` and `Ensemble`.

    Equal architectures share one class. The names of the modules belong to the state dict of
    `nas_env.export.ensemble.Ensemble`.
    """
    different = {x.key: x for x in architectures}
    written = dict(zip(different, _written(list(different.values()), spec), strict=True))
    classes_by_key = {key: f"Member{place}" for place, key in enumerate(different, 1)}
    members = [classes_by_key[x.key] for x in architectures]
    parts = [
        *next(iter(written.values())).makers,
        *(network_class(name, MEMBER, written[key], spec) for key, name in classes_by_key.items()),
        ensemble_class(members, spec, temperature),
    ]
    text = _file(parts, spec, steps, classes, target, temperature, len(members))
    return Source(text, ensemble_names([written[x.key].names for x in architectures]))


def _written(architectures: Sequence[Architecture], spec: TaskSpec) -> list[Written]:
    with torch.device("meta"):
        networks = [build(x, spec) for x in architectures]
    pairs = zip(architectures, networks, strict=True)
    return write_networks([units_of(x, spec, network) for x, network in pairs])


def _file(
    networks: Sequence[list[str]],
    spec: TaskSpec,
    steps: Steps,
    classes: Sequence[str],
    target: tuple[float, float],
    temperature: float | None,
    members: int = 1,
) -> str:
    """Return the text of the file."""
    prepared = write_steps(steps)
    body = _body(networks, prepared, spec, bool(classes))
    constants = [f'WEIGHTS = Path(__file__).with_name("{WEIGHTS}")']
    constants += [*answers.constants(spec, classes, target), *prepared.constants]
    if temperature is not None:
        constants.append(f"TEMPERATURE = {temperature!r}  # makes probabilities match accuracy")
    top = [*_heading(spec, members), "", *_imports(body), "", *constants]
    return "\n".join(top) + f"\n\n\n{body}\n"


def _body(
    networks: Sequence[list[str]], prepared: StepSource, spec: TaskSpec, has_class_names: bool
) -> str:
    """Return the functions and classes of the file."""
    parts = [
        *networks,
        *([list(prepared.encode)] if prepared.encode else []),
        _preprocess(prepared, spec),
        _load(spec),
        *answers.functions(spec, has_class_names),
        answers.main(spec, has_class_names, prepared.example),
    ]
    return "\n\n\n".join("\n".join(part) for part in parts)


def _heading(spec: TaskSpec, members: int) -> list[str]:
    shape = ", ".join(map(str, spec.input_shape))
    name = literal(spec.name.replace('"', "'"))[1:-1]
    axes = {3: ", that is (batch, channels, height, width)", 1: ", that is (batch, features)"}
    what = "A network" if members == 1 else f"An ensemble of {members} networks"
    return [
        f'"""{what} found by architecture search on {name}.',
        "",
        f"It needs only torch and takes (batch, {shape}){axes.get(len(spec.input_shape), '')}.",
        f"`load` returns it with its weights, from {WEIGHTS} in the same folder. `predict`",
        answers.heading(spec),
        '"""',
    ]


def _imports(body: str) -> list[str]:
    lines = ["from pathlib import Path", "", "import torch", "from torch import Tensor, nn"]
    if re.search(r"\bAny\b", body):
        lines.insert(1, "from typing import Any")
    if "math." in body:
        lines.insert(0, "import math")
    return [*lines, *(["from torch.nn import functional"] if "functional." in body else [])]


def _preprocess(steps: StepSource, spec: TaskSpec) -> list[str]:
    shape = ", ".join(map(str, spec.input_shape))
    hint = ", as encode returns it" if steps.encode else ""
    check = [
        f"if tuple(x.shape[1:]) != {tuple(spec.input_shape)}:",
        '    raise ValueError(f"{needed}, got {tuple(samples.shape)}")',
    ]
    body = [
        f'needed = "samples must be a tensor or a NumPy array (batch, {shape})"',
        'if not hasattr(samples, "shape"):',
        f'    raise TypeError(f"{{needed}}{hint}")' if hint else "    raise TypeError(needed)",
        "x = torch.as_tensor(samples).float()",
        *(check if steps.keeps_shape else ()),
        *steps.statements,
        *(() if steps.keeps_shape else check),
        "return x",
    ]
    return [
        "def preprocess(samples: Tensor) -> Tensor:",
        f'    """Return raw samples as the input of the network: (batch, {shape}), float32."""',
        *(f"    {line}" for line in body),
    ]


def _load(spec: TaskSpec) -> list[str]:
    lines = [
        "def load(weights: str | Path = WEIGHTS) -> Network:",
        '    """Return the network with its trained weights, ready to predict."""',
        "    network = Network()",
        '    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))',
    ]
    if len(spec.input_shape) == 3:
        lines += [
            "    # as in training; another memory format may change the last bits",
            "    network.to(memory_format=torch.channels_last)",
        ]
    return [*lines, "    return network.eval()"]
