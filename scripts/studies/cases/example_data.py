"""Write example data in common formats, for docs/cases.md: folders of images, and a table.

Example: python -m scripts.studies.cases.example_data digits data/digits
"""

from __future__ import annotations

import gzip
import io
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from nas_env.errors import InvalidDataError, InvalidSettingError
from nas_env_cli.interrupts import exit_code

ROOT = Path(__file__).resolve().parents[3]
PASSENGERS = ("pclass", "sex", "age", "sibsp", "parch", "fare", "embarked", "survived")
SHARES = (("train", 0.6), ("val", 0.2), ("test", 0.2))


@dataclass(frozen=True)
class Options:
    """Write example data in common formats."""

    what: Annotated[Literal["digits", "objects", "passengers"], tyro.conf.Positional]
    """digits: PNG images by class; objects: JPEG images in colour by split and class; passengers: a
    CSV with categories and missing values."""
    output: Annotated[Path, tyro.conf.Positional]
    """The folder, or the CSV file."""
    source: Path = ROOT.parent / "shared" / "data"
    """Folder of mnist_15k.npz and cifar10_jpeg_12k.npz."""
    each: int = 400
    """Digits: number of images of each class."""
    seed: int = 0
    """Passengers: seed of the splits."""


def main(options: Options) -> int:
    """Write the data and return the exit code."""
    return exit_code(partial(write, options))


def write(options: Options) -> int:
    """Write the data.

    Raises:
        InvalidSettingError: The output exists already.
        InvalidDataError: The source is missing.
    """
    if options.output.exists():
        raise InvalidSettingError(f"{options.output} exists already. Remove it or choose another.")
    count = {"digits": digits, "objects": objects, "passengers": passengers}[options.what](options)
    print(f"{options.output}: {count:,} {'rows' if options.what == 'passengers' else 'images'}")
    return 0


def digits(options: Options) -> int:
    """Write handwritten digits (MNIST) as PNG images, a folder for each class."""
    from PIL import Image

    data = _load(options.source / "mnist_15k.npz")
    images, labels = data["x_train"], data["y_train"]
    for digit in range(10):
        folder = options.output / str(digit)
        folder.mkdir(parents=True)
        for place in np.flatnonzero(labels == digit)[: options.each]:
            Image.fromarray(images[place]).save(folder / f"{place:05}.png")
    return len(list(options.output.rglob("*.png")))


def objects(options: Options) -> int:
    """Write photographs (CIFAR-10, recompressed as JPEG), by split and class."""
    data, count = _load(options.source / "cifar10_jpeg_12k.npz"), 0
    for split in ("train", "test"):
        bytes_, offsets = data[f"jpeg_{split}"], data[f"offset_{split}"]
        for place, label in enumerate(data[f"y_{split}"]):
            folder = options.output / split / str(data["classes"][label])
            folder.mkdir(parents=True, exist_ok=True)
            image = bytes_[offsets[place] : offsets[place + 1]].tobytes()
            (folder / f"{place:05}.jpg").write_bytes(image)
            count += 1
    return count


def passengers(options: Options) -> int:
    """Write the passengers of the Titanic with a column "split".

    The table is the one that scikit-learn fetches from OpenML ("titanic", version 1). Columns that
    were known only after the ship had sunk (boat, body), and those that identify a row
    (name, ticket, cabin, home.dest), are dropped. The splits are stratified.
    """
    from sklearn.model_selection import train_test_split

    table = _titanic()[list(PASSENGERS)]
    table["pclass"] = table["pclass"].map({1: "first", 2: "second", 3: "third"})
    table["survived"] = table["survived"].astype(int).map({0: "no", 1: "yes"})
    rows, table["split"] = np.arange(len(table)), ""
    rest, draws = rows, np.random.RandomState(options.seed)
    for split, share in SHARES[:0:-1]:
        answers = table["survived"].to_numpy()[rest]
        size = round(share * len(rows))
        rest, drawn = train_test_split(rest, test_size=size, stratify=answers, random_state=draws)
        table.loc[drawn, "split"] = split
    table.loc[rest, "split"] = SHARES[0][0]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.output, index=False)
    return len(table)


def _titanic() -> Any:
    """Return the table: the copy in the tests of scikit-learn, or else the one on OpenML."""
    import pandas
    import sklearn

    folder = Path(sklearn.__file__).parent / "datasets/tests/data/openml/id_40945"
    files = sorted(folder.glob("data*.arff.gz"))
    if not files:
        from sklearn.datasets import fetch_openml

        return fetch_openml("titanic", version=1, as_frame=True).frame
    text = gzip.decompress(files[0].read_bytes()).decode("utf-8")
    head, _, body = text.partition("@data\n")
    words = [line.split() for line in head.splitlines() if line.startswith("@attribute")]
    names = [word[1].strip("'\"") for word in words]
    return pandas.read_csv(io.StringIO(body), names=names, na_values="?", escapechar="\\")


def _load(file: Path) -> Any:
    if not file.is_file():
        raise InvalidDataError(f"File {file} does not exist. Set --source to its folder.")
    return np.load(file)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, description=Options.__doc__)))
