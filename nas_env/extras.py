"""Optional packages: the extra that installs each, and the message for a missing package."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from nas_env.errors import MissingDependencyError

# Packages of each extra by import name, as in pyproject.toml.
EXTRAS = {
    "agents": (
        "PIL",
        "matplotlib",
        "rich",
        "safetensors",
        "sb3_contrib",
        "scipy",
        "stable_baselines3",
        "tensorboard",
        "threadpoolctl",
        "tqdm",
        "tyro",
    ),
    "benchmark": ("pandas", "pyarrow", "rliable"),
    "data": ("PIL", "datasets", "pandas", "pyarrow", "sklearn"),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "postgresql": ("psycopg",),
    "ray": ("ray",),
}
DISTRIBUTIONS = {  # if the distribution name differs from the import name
    "PIL": "pillow",
    "sb3_contrib": "sb3-contrib",
    "sklearn": "scikit-learn",
    "stable_baselines3": "stable-baselines3",
}


def command(*extras: str) -> str:
    """Return the command that installs extras.

    Example:
        >>> command("agents", "onnx")
        'pip install "nas-env[agents,onnx]"'
    """
    return f'pip install "nas-env[{",".join(extras)}]"'


def missing(packages: Sequence[str]) -> list[str]:
    """Return the packages that are not installed, without importing any."""
    return [name for name in packages if not _installed(name)]


def sentence(purpose: str, packages: Sequence[str], *extras: str) -> str:
    """Return the message for packages that are not installed.

    Args:
        purpose: Beginning of the message with a verb, such as "Parquet files need".
        packages: Import names of the packages.
        extras: Extras that install them; empty if there is no such extra.

    Example:
        >>> sentence("Parquet files need", ["pyarrow"], "data")
        'Parquet files need pyarrow, which is not installed. Run: pip install "nas-env[data]".'
    """
    names = sorted(DISTRIBUTIONS.get(name, name) for name in packages)
    listed = " and ".join([", ".join(names[:-1])] * (len(names) > 1) + names[-1:])
    verb = "is" if len(names) == 1 else "are"
    remedy = command(*extras) if extras else f"pip install {' '.join(names)}"
    return f"{purpose} {listed}, which {verb} not installed. Run: {remedy}."


def require(purpose: str, extra: str, *packages: str) -> None:
    """Raise if packages of an extra are not installed, without importing any.

    Args:
        purpose: Beginning of the message with a verb, such as "Parquet files need".
        extra: A key of `EXTRAS`.
        packages: Import names; all packages of the extra if omitted.

    Raises:
        MissingDependencyError: With the command that installs them.
    """
    absent = missing(packages or EXTRAS[extra])
    if absent:
        raise MissingDependencyError(sentence(purpose, absent, extra))


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:  # a module without a spec, added to sys.modules manually
        return True
