"""Small data of every kind, made where a test wants them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas
from PIL import Image

from nas_env.sources import DataSet
from nas_env.sources.splitting import SPLITS

SIDES = (8, 6)  # height, width


def image(number: int, label: int, size: tuple[int, int] = SIDES, mode: str = "L") -> Image.Image:
    """Return an image whose brightness tells its class, with noise of its own."""
    rng = np.random.default_rng(number)
    shape = size if mode == "L" else (*size, 3)
    pixels = rng.integers(0, 60, shape) + 60 * label
    return Image.fromarray(pixels.astype(np.uint8))


def image_folder(
    root: Path,
    labels: tuple[str, ...] = ("cat", "dog", "owl"),
    each: int = 10,
    splits: tuple[str, ...] = ("",),
    mode: str = "L",
    suffix: str = "png",
) -> Path:
    """Write a folder of images by class, below a folder for each split where they have names."""
    for split in splits:
        for label, name in enumerate(labels):
            folder = root / split / name
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(each):
                path = folder / f"{number}.{suffix}"
                image(number + 100 * label, label, mode=mode).save(path)
    return root


def table(rows: int = 80, seed: int = 0) -> pandas.DataFrame:
    """Return a table with numbers, text and missing values; `label` follows from both."""
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 10, rows)
    colour = rng.choice(["red", "green", "blue"], rows)
    label = np.where((age > 40) | (colour == "red"), "yes", "no")
    made = pandas.DataFrame({"age": age, "colour": colour, "size": rng.integers(1, 9, rows)})
    made.loc[3, "age"] = np.nan
    made.loc[5, "colour"] = None
    return made.assign(label=label)


class Pairs:
    """A map-style data set: `len` and [i], and no more, as torch's are."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.x[index], self.y[index]


def sizes(data: DataSet) -> tuple[int, ...]:
    """Return how many samples each split has."""
    return tuple(len(data.rows[name]) for name in SPLITS)


def pixels(data: DataSet, name: str) -> Any:
    """Return the samples of a split."""
    return np.asarray(data.x[data.rows[name]])
