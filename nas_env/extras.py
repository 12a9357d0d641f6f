"""Optional packages: which extra brings which, and the one message for a missing one."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from nas_env.errors import MissingDependencyError

# Extra to the packages it brings, by the names they are imported by; as in pyproject.toml.
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
DISTRIBUTIONS = {  # where a package is not installed by the name it is imported by
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
    """Return which packages are not installed; nothing is imported."""
    return [name for name in packages if not _installed(name)]


def sentence(purpose: str, packages: Sequence[str], *extras: str) -> str:
    """Return the message for packages that are not installed.

    Args:
        purpose: What needs them, with its verb, such as "Parquet files need".
        packages: Their names.
        extras: Extras that bring them; none for packages that no extra brings.

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
    """Raise if packages of an extra are not installed; nothing is imported.

    Args:
        purpose: What needs them, with its verb, such as "Parquet files need".
        extra: A key of `EXTRAS`.
        packages: Names that are imported; all of the extra if left out.

    Raises:
        MissingDependencyError: With the command that installs them.
    """
    absent = missing(packages or EXTRAS[extra])
    if absent:
        raise MissingDependencyError(sentence(purpose, absent, extra))


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:  # a module without a spec, put into sys.modules by hand
        return True
