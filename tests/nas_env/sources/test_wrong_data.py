"""Data that break a rule, each with the message that names file, row or value, and the remedy."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nas_env.errors import (
    IncompatibleError,
    InvalidDataError,
    InvalidSettingError,
    NASError,
    UnknownNameError,
)
from nas_env.tasks.own_data import own_data
from tests.support.made_data import Pairs, image, image_folder, table

Case = tuple[Callable[[Path], Any], dict[str, Any], str]
LABELS = np.arange(30) % 3
X = np.random.default_rng(0).normal(size=(30, 4))


def npz(**arrays: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        np.savez(folder / "mine.npz", **arrays)
        return folder / "mine.npz"

    return write


def folder_with(change: Callable[[Path], Any], **settings: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        root = image_folder(folder / "images", **settings)
        change(root)
        return root

    return write


def csv(change: Callable[[Any], Any] = lambda made: made) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        made = table()
        changed = change(made)
        (made if changed is None else changed).to_csv(folder / "mine.csv", index=False)
        return folder / "mine.csv"

    return write


def text(content: str | bytes, name: str = "mine.csv") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
        return folder / name

    return write


def zipped(member: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        with zipfile.ZipFile(folder / "mine.zip", "w") as archive:
            archive.writestr(member, b"harm")
        return folder / "mine.zip"

    return write


def tarred(kind: bytes, name: str, target: str = "") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        with tarfile.open(folder / "mine.tar.gz", "w:gz") as archive:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info, io.BytesIO(b""))
        return folder / "mine.tar.gz"

    return write


def lying_zip(folder: Path) -> Path:
    """Write a zip file whose member is larger than the directory says."""
    path = folder / "mine.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * 1000)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 24  # the uncompressed size in the central directory
    data[at : at + 4] = struct.pack("<I", 10)
    path.write_bytes(data)
    return path


def set_value(column: str, row: int, value: Any) -> Callable[[Any], Any]:
    def change(made: Any) -> Any:
        values = made[column].astype(object)
        values.iloc[row] = value
        return made.assign(**{column: values})

    return change


def truncated(root: Path) -> None:
    path = root / "dog" / "4.png"
    path.write_bytes(path.read_bytes()[:60])


def empty_class(root: Path) -> None:
    (root / "fish").mkdir()


def unknown_class(root: Path) -> None:
    (root / "test" / "fish").mkdir()
    image(1, 1).save(root / "test" / "fish" / "f.png")


def image_with_nan(root: Path) -> None:
    pixels = np.ones((8, 6), dtype=np.float32)
    pixels[3, 2] = np.nan
    Image.fromarray(pixels).save(root / "cat" / "f.tiff")


def given(**columns: Any) -> Callable[[Any], Any]:
    return lambda made: made.assign(**columns)


SPLIT = ["train"] * 60 + ["test"] * 20
ONE_FISH = ["yes", "no"] * 39 + ["fish", "yes"]
CASES: dict[str, Case] = {
    # what is no data at all
    "no such path": (lambda f: f / "no.csv", {}, r"no\.csv: no such file or folder\. Give the"),
    "unknown suffix": (
        text("a", "mine.doc"),
        {},
        r"mine\.doc: unsupported kind.*Supported: archive",
    ),
    "unknown object": (lambda f: 3.5, {}, r"float: unsupported kind of data.*Give an \.npz"),
    # arrays
    "npz of text": (text("x,y\n1,2", "mine.npz"), {}, r"mine\.npz: .*numpy\.savez"),
    "npz with NaN": (
        npz(x=np.where(np.arange(120).reshape(30, 4) == 18, np.nan, X), y=LABELS),
        {"problem": "classification"},
        r"mine\.npz: x sample 4 holds NaN or infinity\. Remove or fill it",
    ),
    "npz with NaN as target": (
        npz(x=X, y=np.where(LABELS == 1, np.nan, 0.5)),
        {},
        r"mine\.npz: target nan \(sample 1 of x\) is not finite\. Fill it",
    ),
    "npz of one class": (npz(x=X, y=LABELS * 0), {}, "all training labels are 0.*two classes"),
    "npz, targets all equal": (npz(x=X, y=LABELS * 0 + 0.5), {}, "targets are 0.5.*nothing to"),
    "npz with an unknown label": (
        npz(x_train=X, y_train=LABELS % 2, x_test=X, y_test=LABELS),
        {},
        r"label 2 of the test split.*\(first: sample 2 of x_test\).*Training labels: 0, 1",
    ),
    "fractions as classes": (
        npz(x=X, y=LABELS + 0.5),
        {"problem": "classification"},
        r"target 0\.5 \(sample 0 of x\) is not a class\. Give integers or text, or set problem",
    ),
    "text as numbers": (
        npz(x=X, y=LABELS.astype(str)),
        {"problem": "regression"},
        r"target 0 \(sample 0 of x\) is not a number.*problem='classification'",
    ),
    "empty npz": (npz(x=X[:0], y=LABELS[:0]), {}, r"x is empty \(0, 4\).*needs samples"),
    "target of arrays": (
        npz(x=X, y=LABELS),
        {"target": "y"},
        "target='y' does not apply to.*Leave",
    ),
    # images
    "corrupt image": (
        folder_with(truncated),
        {},
        r"dog/4\.png: cannot be read as an image.*Remove or replace",
    ),
    "text as an image": (
        folder_with(lambda root: (root / "cat" / "x.png").write_text("cat")),
        {},
        r"cat/x\.png: cannot be read as an image.*Remove or replace",
    ),
    "mixed sizes": (
        folder_with(lambda root: image(1, 1, (20, 9)).save(root / "owl" / "9.png")),
        {},
        r"2 sizes: \S+cat/0\.png is 8x6, \S+owl/9\.png is 20x9.*image_size=6 \(--image-size 6\)",
    ),
    "a pixel is NaN": (
        folder_with(image_with_nan),
        {},
        r"cat/f\.tiff: cannot be read as an image \(a pixel is NaN.*Remove or replace it, or leave",
    ),
    "one class of images": (
        folder_with(lambda root: None, labels=("cat",)),
        {},
        "images: has one class only, cat. At least two classes",
    ),
    "no class folders": (
        lambda f: image(1, 1).save(f / "1.png") or f,
        {},
        r"has no class folder \(1 images are directly in it.*FOLDER/CLASS/IMAGE",
    ),
    "empty class folder": (folder_with(empty_class), {}, "fish: holds no images.*remove this one"),
    "rare class": (
        folder_with(lambda root: None, each=3),
        {},
        "class cat has 3 samples.*at least 5.*Add samples",
    ),
    "unknown class in the test split": (
        folder_with(unknown_class, splits=("train", "test")),
        {},
        r"label fish of the test.*\(first: \S+test/fish/f\.png\).*Training labels: cat, dog, owl",
    ),
    "only a test split": (folder_with(lambda root: None, splits=("test",)), {}, "no training spl"),
    "size of nothing": (
        folder_with(lambda root: None),
        {"image_size": 0},
        "image_size must be one or two integers >= 1, got 0",
    ),
    # tables
    "no target column": (
        csv(lambda made: made.rename(columns={"label": "outcome"})),
        {},
        r"which column is the target\?.*none of.*--target NAME.*Columns: age, colour, size",
    ),
    "two target columns": (
        csv(given(y=1)),
        {},
        r"several of these \(label, y\)\. Set target=NAME",
    ),
    "unknown target column": (
        csv(),
        {"target": "price"},
        "no column 'price'.*Columns: age",
    ),
    "missing target": (
        csv(set_value("label", 7, None)),
        {},
        r"mine\.csv: row 8 has no value in the target column 'label' \(1 rows.*Fill it",
    ),
    "word among numbers": (
        csv(set_value("size", 11, "tall")),
        {},
        r"row 12 has tall in the column 'size', of which 98\.8 % are numbers\. Correct it",
    ),
    "infinite value": (
        csv(set_value("age", 2, np.inf)),
        {},
        "row 3 has inf in the column 'age'.*leave it empty",
    ),
    "unknown split": (
        csv(given(split=[*SPLIT[:-1], "tset"])),
        {},
        "row 80 has tset in the column 'split'.*It must be one of train, ",
    ),
    "unknown label in a table": (
        csv(given(split=SPLIT, label=ONE_FISH)),
        {},
        r"label fish of the test split.*\(first: row 79\).*leave it out",
    ),
    "one class in a table": (csv(given(label="yes")), {}, "all training labels are yes.*two cl"),
    "one regression target": (
        csv(given(label=1.5)),
        {},
        "all training targets are 1.5.*nothing to learn.*another target",
    ),
    "only a target": (csv(lambda made: made[["label"]]), {}, "no usable column except the target"),
    "a column of names": (
        csv(lambda made: made.assign(age=[f"n{x}" for x in range(80)])[["age", "label"]]),
        {},
        r"no usable column .*'age' is left out: it has 80 different texts.*such as n0",
    ),
    "empty file": (text(""), {}, r"mine\.csv: not a readable table.*one line of column names"),
    "only column names": (text("a,label\n"), {}, "has column names but no rows"),
    "ragged rows": (
        text("a,label\n1,x\n2,y,3\n"),
        {},
        r"not a readable table.*Expected 2 fields in line 3, saw 3",
    ),
    "other encoding": (text("a,label\nMünchen,x\n".encode("latin-1")), {}, "not a.*in UTF-8"),
    "damaged parquet": (text(b"PAR1 no", "mine.parquet"), {}, r"mine\.parquet: not a readable"),
    "table too large": (
        csv(),
        {"max_memory_mb": 0.0001},
        r"80 samples of \d+ numbers need 0 MB.*raise max_memory_mb",
    ),
    # archives
    "path upwards in a zip": (
        zipped("../out.png"),
        {},
        r"'\.\./out\.png' would unpack outside",
    ),
    "absolute path in a zip": (
        zipped("/etc/out"),
        {},
        "'/etc/out' would unpack outside",
    ),
    "path of Windows in a zip": (zipped("c:\\out"), {}, r"would unpack outside.*relative paths"),
    "backward path in a zip": (zipped("a\\..\\..\\out"), {}, "would unpack outside its folder"),
    "path upwards in a tar": (tarred(tarfile.REGTYPE, "a/../../out"), {}, "would unpack outside"),
    "link in a tar": (
        tarred(tarfile.SYMTYPE, "cat", "/etc"),
        {},
        "'cat' is a link or device, which may lead outside.*Pack the files themselves",
    ),
    "member larger than it says": (lying_zip, {}, r"mine\.zip: not a readable archive"),
    "archive of text": (text("none", "mine.zip"), {}, r"mine\.zip: not a readable archive"),
    # data sets of torch
    "no pairs": (lambda f: Pairs([1.0] * 9, [[1, 2]] * 9), {}, "sample 0: its target is a list"),
    "different shapes": (
        lambda f: Pairs([np.ones(3), np.ones(4)] * 9, [0, 1] * 9),
        {},
        r"sample 1 has shape \(4,\), but the first sample has \(3,\)\. Make the shapes equal",
    ),
    "NaN in a sample": (
        lambda f: Pairs([np.full(3, np.nan)] * 9, [0] * 9),
        {},
        "sample 0 holds NaN or infinity. Remove or fill",
    ),
    "empty data set": (lambda f: Pairs([], []), {}, "is empty. At least a few samples"),
    "unknown split of a data set": (
        lambda f: {"train": Pairs([1], [0]), "best": Pairs([1], [0])},
        {},
        "split 'best' is unknown. Rename it to one of train",
    ),
    # what is said about data
    "unknown problem": (npz(x=X, y=LABELS), {"problem": "ranking"}, "Unknown problem 'ranking'"),
    "unknown metric": (
        npz(x=X, y=LABELS),
        {"metric": "f2"},
        "Unknown metric 'f2'. Known: accuracy",
    ),
    "metric of the other problem": (npz(x=X, y=LABELS), {"metric": "mae"}, "'mae' is not a cla"),
    "no memory": (npz(x=X, y=LABELS), {"max_memory_mb": 0}, "max_memory_mb must be > 0.*got 0"),
}
OF_SETTINGS = (InvalidSettingError, UnknownNameError, IncompatibleError)


def test_there_are_forty_of_them() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("case", CASES)
def test_wrong_data_are_refused_with_place_value_and_remedy(case: str, tmp_path: Path) -> None:
    make, settings, message = CASES[case]
    data = make(tmp_path)
    with pytest.raises(NASError, match=message) as caught:
        own_data(data, **settings)
    assert isinstance(caught.value, (InvalidDataError, *OF_SETTINGS))
    if settings.keys() <= {"problem"} and settings.get("problem") != "ranking":
        assert isinstance(caught.value, InvalidDataError)
        if isinstance(data, Path):
            assert str(tmp_path) in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("make", [zipped("../out.png"), tarred(tarfile.REGTYPE, "a/../../out.png")])
def test_nothing_is_unpacked_of_an_archive_that_leads_outside(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    cache = tmp_path / "deep" / "cache"
    with pytest.raises(InvalidDataError):
        own_data(make(tmp_path), cache=cache)
    assert not [x for x in tmp_path.rglob("*") if "out" in x.name]
    assert os.listdir(cache) == []


def test_an_image_in_an_archive_is_named_by_the_archive(tmp_path: Path) -> None:
    import shutil

    folder = image_folder(tmp_path / "in")
    truncated(folder)
    packed = shutil.make_archive(str(tmp_path / "mine"), "zip", folder)
    with pytest.raises(InvalidDataError) as caught:
        own_data(packed)
    assert str(caught.value).startswith(f"{packed}/dog/4.png: cannot be read as an image")


def test_an_archive_of_one_class_is_told_so(tmp_path: Path) -> None:
    import shutil

    folder = image_folder(tmp_path / "in", labels=("cat",))
    packed = shutil.make_archive(str(tmp_path / "mine"), "zip", folder)
    with pytest.raises(InvalidDataError, match=r"mine\.zip: has one class only, cat"):
        own_data(packed)


def test_running_out_of_memory_is_told_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr("nas_env.sources.npz._together", full)
    with pytest.raises(InvalidDataError, match=r"not enough memory.*9 TiB.*Lower max_memory_mb"):
        own_data({"x": X, "y": LABELS})


def test_a_disk_that_is_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(InvalidDataError, match=r"needs 0 MB on the disk.*Set cache to another"):
        own_data(image_folder(tmp_path / "images"), max_memory_mb=0.001)


def test_a_package_that_is_missing_is_named_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    made = csv()(tmp_path), image_folder(tmp_path / "images"), table()
    for module in ("sklearn", "PIL", "pandas", "datasets"):
        monkeypatch.setitem(sys.modules, module, None)
    for data, package in zip(made, ("pandas", "pillow"), strict=False):
        with pytest.raises(ImportError, match=rf'{package}.*pip install "nas-env\[data\]"'):
            own_data(data)
    with pytest.raises(ImportError, match=r'datasets, .*pip install "nas-env\[data\]"'):
        own_data("huggingface:none")
