"""Write the data of docs/cases.md in the formats that users have.

Example: python -m scripts.studies.cases.example_data digits data/cases/digits
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import tyro

from nas_env.errors import InvalidDataError, InvalidSettingError
from nas_env.files import replacing
from nas_env_cli.interrupts import exit_code

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ROOT.parent / "shared" / "data"
GREY = 15  # grey level of one step of the digits, which have 17 steps
Name = Literal[
    "digits", "mnist-15k", "photographs", "adult", "california-housing", "diabetes"
]  # of a case


class Data(NamedTuple):
    """How the data of a case are written.

    Attributes:
        write: Writes them, from the source (None: scikit-learn) to a path.
        source: File in the folder of sources; empty: scikit-learn brings them along.
        suffix: Suffix of the written file; empty: a folder.
    """

    write: Callable[[Path, Path], None]
    source: str = ""
    suffix: str = ""


@dataclass(frozen=True)
class Options:
    """Write the data of a case in a format that users have."""

    name: Annotated[Name, tyro.conf.Positional]
    """digits: PNG images by class; mnist-15k: arrays; photographs: JPEG images by split and class;
    adult, california-housing: Parquet files; diabetes: a CSV file."""
    output: Annotated[Path, tyro.conf.Positional]
    """The folder or the file."""
    source: Path = SOURCES
    """Folder of mnist_15k.npz, cifar10_jpeg_12k.npz and the Parquet files."""


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
    check_source(options.name, DATA[options.name], options.source)
    write_data(DATA[options.name], options.source, options.output)
    print(f"Written: {options.output}")
    return 0


def check_source(name: str, data: Data, source: Path) -> None:
    """Check that the source of a case exists.

    Raises:
        InvalidDataError: It is missing.
    """
    file = source / data.source
    if data.source and not file.is_file():
        raise InvalidDataError(
            f"Case {name} needs the file {file}, which does not exist. Set --source to its folder, "
            "or name other cases."
        )


def write_data(data: Data, source: Path, output: Path) -> None:
    """Write the data of a case; an interrupted call leaves no output."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as part:
        data.write(source / data.source, part)


def digits(_: Path, output: Path) -> None:
    """Write the 1,797 handwritten digits of scikit-learn as PNG images, a folder for each class."""
    from PIL import Image
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = output / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        pixels = (GREY * image.reshape(8, 8)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04}.png")


def photographs(source: Path, output: Path) -> None:
    """Write photographs (CIFAR-10, recompressed as JPEG), by split and class."""
    with np.load(source) as data:
        for split in ("train", "test"):
            content, offsets = data[f"jpeg_{split}"], data[f"offset_{split}"]
            names = data["classes"][data[f"y_{split}"]]
            for place, name in enumerate(names):
                folder = output / split / str(name)
                folder.mkdir(parents=True, exist_ok=True)
                image = content[offsets[place] : offsets[place + 1]].tobytes()
                (folder / f"{place:05}.jpg").write_bytes(image)


def table(source: Path, output: Path) -> None:
    """Write a table whose column `is_test` becomes a column `split`."""
    import pandas

    rows = pandas.read_parquet(source)
    split = np.where(rows["is_test"], "test", "train")
    rows.drop(columns="is_test").assign(split=split).to_parquet(output, index=False)


def diabetes(_: Path, output: Path) -> None:
    """Write the diabetes data of scikit-learn, in their units, as CSV."""
    from sklearn.datasets import load_diabetes

    load_diabetes(as_frame=True, scaled=False).frame.to_csv(output, index=False)


def copy(source: Path, output: Path) -> None:
    """Copy a file that users could have."""
    shutil.copyfile(source, output)


DATA = {
    "digits": Data(digits),
    "mnist-15k": Data(copy, "mnist_15k.npz", ".npz"),
    "photographs": Data(photographs, "cifar10_jpeg_12k.npz"),
    "adult": Data(table, "adult.parquet", ".parquet"),
    "california-housing": Data(table, "california_housing.parquet", ".parquet"),
    "diabetes": Data(diabetes, "", ".csv"),
}


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, description=Options.__doc__)))
