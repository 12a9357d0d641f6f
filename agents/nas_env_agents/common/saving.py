"""File format of agents without a neural network: arrays, and settings as JSON."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError
from nas_env.files import replacing
from nas_env.tables.base import DAMAGES

OWN = ("rng", "agent", "num_timesteps", "spaces")  # of the JSON, besides the settings


class Saved(NamedTuple):
    """The content of a file.

    Attributes:
        settings: Arguments of the agent's constructor.
        state: State of the agent: "rng", "agent", "num_timesteps" and "spaces".
        arrays: Learned parameters.
    """

    settings: dict[str, Any]
    state: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def write(path: str | Path, saved: Saved) -> None:
    """Write a file, `.npz` unless its name ends in `.zip`, as Stable-Baselines3's names do."""
    text = json.dumps({**saved.state, **saved.settings})
    with replacing(file_of(path)) as part, part.open("wb") as file:
        np.savez_compressed(file, settings=np.array(text), **saved.arrays)  # type: ignore[arg-type]


def read(path: str | Path, kind: type[Any]) -> Saved:
    """Read a file.

    Args:
        path: The path given to `write`; if it does not exist, the path with `.zip`.
        kind: The class of the agent, or a base class or subclass of it.

    Raises:
        InvalidDataError: The file does not exist, is not such a file, or is of another agent.
    """
    try:
        zipped = Path(f"{path}.zip")  # as Stable-Baselines3's checkpoints are named
        file_path = file_of(path)
        file_path = zipped if zipped.is_file() and not file_path.is_file() else file_path
        with np.load(file_path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        state = json.loads(str(arrays.pop("settings")))
        if not _related(kind, state["agent"]):
            raise TypeError(f"it is a {state['agent']}")
        settings = {name: value for name, value in state.items() if name not in OWN}
        inspect.signature(kind).bind(None, **settings)  # a TypeError for another agent's
        return Saved(settings, {name: state[name] for name in OWN}, arrays)
    except DAMAGES as error:
        raise unusable(path, kind, str(error)) from None


def _related(kind: type[Any], name: str) -> bool:
    """Return whether a class, a base class or a subclass of it has a name."""
    below = [kind]
    for each in below:  # grows
        below += each.__subclasses__()
    return name in {x.__name__ for x in (*kind.__mro__, *below)}


def unusable(path: str | Path, kind: type[Any], reason: str) -> InvalidDataError:
    """Return the error for a file that cannot be loaded."""
    return InvalidDataError(
        f"{file_of(path)}: not a {kind.__name__} that was saved ({reason}). Give a path that its "
        "save wrote."
    )


def file_of(path: str | Path) -> Path:
    """Return the path with its ending."""
    path = Path(path)
    return path if path.suffix in (".npz", ".zip") else path.with_name(f"{path.name}.npz")
