"""Recreate the embedded data sets from scikit-learn and MNIST; every call gives equal bytes.

Example: python -m scripts.data datasets --output nas_env/data
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from nas_env.tasks.supervised import stratified_split

DATA = Path(__file__).resolve().parents[2] / "nas_env" / "data"
MNIST = DATA.parents[2] / "shared" / "data" / "mnist_15k.npz"
LONG_AGO = (1980, 1, 1, 0, 0, 0)
MNIST_SIZES = (1000, 2000, 2000)  # training, validation, test
REACH = 4  # pixels of the 28 by which a digit is moved at most
NOISE = 0.1  # standard deviation; a pixel is in [0, 1]
LEVELS = 16


@dataclass(frozen=True)
class Options:
    """Recreate the embedded data sets from scikit-learn and MNIST.

    Attributes:
        output: Folder of the files.
        mnist: Class-balanced sample of MNIST; without it `mnist_small.npz` is not changed.
    """

    output: Path = DATA
    mnist: Path = MNIST


def digits() -> dict[str, NDArray[Any]]:
    """Return x uint8 (n, 1, 8, 8) in 0..16 and y uint8 (n,)."""
    bunch = load_digits()
    images = bunch.images[:, None].astype(np.uint8)
    return {"x": images, "y": bunch.target.astype(np.uint8)}


def wine() -> dict[str, NDArray[Any]]:
    """Return x float32 (n, 13) and y uint8 (n,)."""
    bunch = load_wine()
    return {"x": bunch.data.astype(np.float32), "y": bunch.target.astype(np.uint8)}


def breast_cancer() -> dict[str, NDArray[Any]]:
    """Return x float32 (n, 30) and y uint8 (n,)."""
    bunch = load_breast_cancer()
    return {"x": bunch.data.astype(np.float32), "y": bunch.target.astype(np.uint8)}


def mnist_small(source: Path) -> dict[str, NDArray[Any]]:
    """Return x uint8 (n, 1, 14, 14) in 0..15, y uint8 (n,) and the three sizes of the splits.

    Training and validation split come from MNIST's training images, the test split from its test
    images; all are class-balanced. Digits are moved by up to `REACH` pixels, halved in size by the
    mean of 2x2 pixels, and noisy.
    """
    with np.load(source, allow_pickle=False) as arrays:
        pools = [(arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test")]
    train, validation, test = MNIST_SIZES
    parts = [
        *((pools[0][0][rows], pools[0][1][rows]) for rows in _draw(pools[0][1], train, validation)),
        *((pools[1][0][rows], pools[1][1][rows]) for rows in _draw(pools[1][1], test)),
    ]
    rng = np.random.default_rng(0)
    return {
        "x": np.concatenate([_degrade(images, rng) for images, _ in parts]),
        "y": np.concatenate([labels for _, labels in parts]).astype(np.uint8),
        "sizes": np.array(MNIST_SIZES, dtype=np.int32),
    }


def _draw(labels: NDArray[Any], *sizes: int) -> list[NDArray[np.int64]]:
    """Return class-balanced disjoint samples of the given sizes."""
    rest = len(labels) - sum(sizes)
    shares = tuple(size / len(labels) for size in (*sizes, rest))
    return stratified_split(labels.astype(np.int64), shares)[:-1]


def _degrade(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return images (n, 28, 28) moved, halved and noisy: (n, 1, 14, 14) in 0..LEVELS - 1."""
    padded = np.pad(images.astype(np.float32) / 255, ((0, 0), (REACH, REACH), (REACH, REACH)))
    corners = rng.integers(0, 2 * REACH + 1, (len(images), 2))
    moved = np.stack([x[a : a + 28, b : b + 28] for x, (a, b) in zip(padded, corners, strict=True)])
    small = moved.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    noisy = small + NOISE * rng.normal(size=small.shape)
    share = np.clip((noisy + 2 * NOISE) / (1 + 4 * NOISE), 0, 1)
    levels: NDArray[np.uint8] = np.rint(share * (LEVELS - 1)).astype(np.uint8)
    return levels[:, None]


def write(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write a compressed `.npz` whose bytes depend on the arrays only, not on the clock."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            content = BytesIO()
            np.save(content, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", LONG_AGO), content.getvalue(), 8, 9)


def run(settings: Options) -> int:
    """Write the files."""
    settings.output.mkdir(parents=True, exist_ok=True)
    data_sets = {"digits": digits(), "wine": wine(), "breast_cancer": breast_cancer()}
    if settings.mnist.is_file():
        data_sets["mnist_small"] = mnist_small(settings.mnist)
    else:
        print(f"{settings.mnist} does not exist; mnist_small.npz is not changed.")
    for name, arrays in data_sets.items():
        path = settings.output / f"{name}.npz"
        write(path, arrays)
        shapes = ", ".join(f"{key} {value.shape} {value.dtype}" for key, value in arrays.items())
        print(f"{path}: {shapes}")
    return 0
