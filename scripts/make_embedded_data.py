"""Make the embedded data sets again from scikit-learn; equal bytes at every call.

Example: python scripts/make_embedded_data.py --output nas_env/data
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray
from sklearn.datasets import load_digits, load_wine

DATA = Path(__file__).resolve().parents[1] / "nas_env" / "data"
LONG_AGO = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Settings:
    """Make the embedded data sets again from scikit-learn.

    Attributes:
        output: Folder of the two files.
    """

    output: Path = DATA


def digits() -> dict[str, NDArray[Any]]:
    """Return x uint8 (n, 1, 8, 8) in 0..16 and y uint8 (n,)."""
    bunch = load_digits()
    images = bunch.images[:, None].astype(np.uint8)
    return {"x": images, "y": bunch.target.astype(np.uint8)}


def wine() -> dict[str, NDArray[Any]]:
    """Return x float32 (n, 13) and y uint8 (n,)."""
    bunch = load_wine()
    return {"x": bunch.data.astype(np.float32), "y": bunch.target.astype(np.uint8)}


def write(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write a compressed `.npz` whose bytes depend on the arrays only, not on the clock."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            content = BytesIO()
            np.save(content, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", LONG_AGO), content.getvalue(), 8, 9)


def main(settings: Settings) -> None:
    """Write both files."""
    settings.output.mkdir(parents=True, exist_ok=True)
    for name, arrays in (("digits", digits()), ("wine", wine())):
        path = settings.output / f"{name}.npz"
        write(path, arrays)
        shapes = ", ".join(f"{key} {value.shape} {value.dtype}" for key, value in arrays.items())
        print(f"{path}: {shapes}")


if __name__ == "__main__":
    main(tyro.cli(Settings))
