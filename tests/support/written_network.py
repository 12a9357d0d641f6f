"""What tests of exported networks share: networks as if trained, and how to run what is written."""

from __future__ import annotations

import builtins
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas_env.architecture import Architecture
from nas_env.export import Source
from nas_env.network import build
from nas_env.tasks import TaskSpec
from tests.support.paths import ROOT

ALLOWED = ("pathlib", "torch", "typing", "re", "datetime", "_strptime")  # by a written network


def as_if_trained(architecture: Architecture, spec: TaskSpec) -> nn.Module:
    """Return a network whose weights and moments are all different from those of a new one."""
    torch.manual_seed(0)
    network = build(architecture, spec)
    for name, value in network.state_dict().items():
        if value.is_floating_point() and "running_var" not in name:
            value.add_(torch.randn_like(value) / 10)
        elif value.is_floating_point():
            value.uniform_(0.5, 2.0)
    return network


def run(text: str, folder: Path = Path("/nowhere")) -> dict[str, Any]:
    """Run a written file where only torch can be imported, and return its names."""

    def only_torch(name: str, glob: Any = None, *rest: Any) -> Any:
        inner = str((glob or {}).get("__name__", "")) != "written"
        if not inner and name.split(".")[0] not in ALLOWED:
            raise ImportError(f"A written network imports {name}.")
        return __import__(name, glob, *rest)

    names = {
        "__name__": "written",
        "__file__": str(folder / "network.py"),
        "__builtins__": {**vars(builtins), "__import__": only_torch},
    }
    exec(compile(text, "network.py", "exec"), names)
    return names


def restored(source: Source, searched: nn.Module) -> nn.Module:
    """Return the written network with the searched one's weights."""
    network: nn.Module = run(source.text)["Network"]()
    network.load_state_dict(source.weights(searched.state_dict()))
    return network


def outputs(network: nn.Module, x: torch.Tensor, training: bool) -> torch.Tensor:
    """Return what a network puts out, with the same draws at every call."""
    network.train(training)
    torch.manual_seed(1)
    with torch.no_grad():
        found: torch.Tensor = network(x)
    return found


def complaints(text: str) -> str:
    """Return what the linter and the formatter of this repository say of a file."""
    told = ""
    for command in (["check", "-q"], ["format", "-q", "--diff"]):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "ruff",
                *command,
                "--stdin-filename",
                "nas_env/network_x.py",
                "-",
            ],
            input=text,
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        told += done.stdout + done.stderr
    return told
