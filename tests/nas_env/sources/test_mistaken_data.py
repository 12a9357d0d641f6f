"""Data that are easily taken for something else: refused, or told before a search begins."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image

from nas_env.errors import InvalidDataError
from nas_env.sources import ReadOptions, archive, read_data, summarise
from tests.support.made_data import SIDES, Pairs, image, image_folder, table


def test_splits_beside_another_folder_are_not_taken_for_classes(tmp_path: Path) -> None:
    image_folder(tmp_path, splits=("train", "test"))
    image_folder(tmp_path, labels=("unlabelled",))
    message = (
        r"unlabelled: is not a split, but is in the same folder as train.*Move it, or rename it to"
    )
    with pytest.raises(InvalidDataError, match=message):
        read_data(tmp_path)


@pytest.mark.parametrize("splits", [("",), ("train", "test")])
def test_images_in_no_class_are_left_out_and_told(splits: tuple[str, ...], tmp_path: Path) -> None:
    image_folder(tmp_path, splits=splits)
    image(1, 1).save(tmp_path / splits[-1] / "stray.png")
    data = read_data(tmp_path)
    assert len(data.y) == 30 * len(splits)
    assert "Images outside the class folders were left out: 1, such as stray.png." in data.notes


@pytest.mark.parametrize("row", ["7,1,2,{}", "1,2,{},"])
def test_rows_longer_than_their_head_do_not_move_columns(row: str, tmp_path: Path) -> None:
    rows = [row.format("no" if number % 2 else "yes") for number in range(40)]
    (tmp_path / "mine.csv").write_text("\n".join(["a,b,label", *rows]))
    message = r"mine\.csv: rows have more values than .*\(a, b, label\)\. Name every column, or"
    with pytest.raises(InvalidDataError, match=message):
        read_data(tmp_path / "mine.csv")


DEEP = (
    "Grey images of 16 or 32 bits: {}. Their values from 0 to 65535 (as the training split has no "
    "range) are scaled to 0 to 255; 1 of 1 levels are left."
)
REDUCED = (
    "Images with several channels of 16 bits: 1. Pillow reduces them to the upper 8 bits; {} of "
    "256 levels are used."
)


@pytest.mark.parametrize("limit", [None, 0.001])
def test_images_of_16_bits_are_told(limit: float | None, tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "images")
    options = ReadOptions(cache=tmp_path / "cache", max_memory_mb=limit)
    assert not any("16" in x for x in read_data(folder, options).notes)
    deep = Image.fromarray(np.full(SIDES, 40_000, dtype=np.uint16))
    deep.save(folder / "cat" / "0.png")
    deep.save(folder / "dog" / "deep.tif")
    write_deep_colour(folder / "owl" / "0.png")
    for _ in range(2):  # read, then found in the cache
        data = read_data(folder, options)
        assert DEEP.format(2) in data.notes
        assert REDUCED.format(1) in data.notes
        assert [int(x) for x in data.x[0].ravel()] == [40_000 >> 8] * 144


def test_images_of_16_bits_in_a_data_set_of_torch_are_told() -> None:
    deep = Image.fromarray(np.full(SIDES, 40_000, dtype=np.uint16))
    data = read_data(Pairs([image(1, 1), deep] * 10, [0, 1] * 10))
    assert DEEP.format(10) in data.notes
    assert data.x[1].min() == data.x[1].max() == 40_000 >> 8


def write_deep_colour(path: Path) -> None:
    """Write a colour PNG of 16 bits, which Pillow reads and does not write."""
    height, width = SIDES

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\x9c\x40" * 3 * width) * height)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize(("separator", "told"), [(";", "';'"), ("\t", "a tab"), ("|", "'|'")])
@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_other_separators_than_commas_are_found_and_told(
    separator: str, told: str, suffix: str, tmp_path: Path
) -> None:
    made = table().assign(place=["Lyon, France", "Bonn, Germany"] * 40)
    made.to_csv(tmp_path / f"mine.{suffix}", index=False, sep=separator)
    data, plain = read_data(tmp_path / f"mine.{suffix}"), read_data(made)
    np.testing.assert_allclose(data.x, plain.x, rtol=1e-6)
    note = f"Values and column names are separated by {told}."
    assert note in data.notes and note not in plain.notes
    made.to_csv(tmp_path / "mine.tsv", index=False, sep="\t")
    made.rename(columns={"age": "a;g|e"}).to_csv(tmp_path / "commas.csv", index=False)
    for name in ("mine.tsv", "commas.csv"):
        assert not any("separated" in x for x in read_data(tmp_path / name).notes)


@pytest.mark.parametrize(("suffix", "separator"), [("csv", ";"), ("tsv", "\t")])
def test_decimal_commas_are_numbers_where_commas_separate_nothing(
    suffix: str, separator: str, tmp_path: Path
) -> None:
    made = table().assign(size=np.arange(80) / 4, code=["1,5", "a,5"] * 40)
    made.loc[3, "size"] = np.nan
    made.to_csv(tmp_path / f"mine.{suffix}", index=False, sep=separator, decimal=",")
    data, plain = read_data(tmp_path / f"mine.{suffix}"), read_data(made)
    np.testing.assert_allclose(data.x, plain.x, rtol=1e-6)
    (note,) = (x for x in data.notes if "decimal commas" in x)
    assert "'size'" in note and "'code'" not in note


def test_a_table_is_left_as_it_was_given() -> None:
    given = pandas.DataFrame({0: np.arange(40.0), 1: ["yes", "no"] * 20})
    assert read_data(given, ReadOptions(target="1")).classes == ("no", "yes")
    assert list(given.columns) == [0, 1]


def test_numbers_without_fractions_are_told_not_to_be_classes() -> None:
    notes = read_data(table().assign(label=[0.0, 1.0, 2.0, 3.0] * 20)).notes
    assert any("4 different floating-point numbers, so it is regression" in x for x in notes)


@pytest.mark.parametrize("value", [np.inf, 0.5])
def test_what_is_no_whole_number_is_no_class(value: float) -> None:
    made = table().assign(label=[0.0, 1.0, value, 1.0] * 20)
    with pytest.raises(InvalidDataError, match=rf"target {value} \(row 3\) is not a class\. Give"):
        read_data(made, ReadOptions(problem="classification"))


class Named(Pairs):
    """A data set of torch whose classes have names."""

    classes = ("cat", "dog")


def test_a_label_below_zero_is_not_the_last_class() -> None:
    with pytest.raises(InvalidDataError, match="sample 2 has the label -1, which is not one of"):
        read_data(Named([np.ones(3)] * 30, [0, 1, -1] * 10))


def test_a_hidden_label_of_a_table_is_not_the_last_class() -> None:
    datasets = pytest.importorskip("datasets")
    kinds = {"a": datasets.Value("int64"), "label": datasets.ClassLabel(names=["no", "yes"])}
    parts = {"train": [0, 1] * 20, "test": [-1] * 10}
    given = {
        name: datasets.Dataset.from_dict(
            {"a": list(range(len(labels))), "label": labels}, datasets.Features(kinds)
        )
        for name, labels in parts.items()
    }
    with pytest.raises(InvalidDataError, match="row 41 has the label -1, which is not one of"):
        read_data(datasets.DatasetDict(given))


def test_samples_are_not_cut_to_the_number_type_of_the_first() -> None:
    samples = [np.zeros(3, np.uint8), np.full(3, 0.7, np.float32)] * 10
    with pytest.raises(InvalidDataError, match="sample 1 holds float32, but the first sample"):
        read_data(Pairs(samples, [0, 1] * 10))


def damaged_zip(folder: Path) -> Path:
    path = folder / "mine.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("t.csv", table().to_csv())
    content = bytearray(path.read_bytes())
    content[60:100] = b"\xff" * 40
    path.write_bytes(content)
    return path


def tar_with_a_nul(folder: Path) -> Path:
    with tarfile.open(folder / "mine.tar", "w", format=tarfile.PAX_FORMAT) as made:
        member = tarfile.TarInfo("x")
        member.pax_headers = {"path": "a\0b.csv"}
        made.addfile(member, io.BytesIO())
    return folder / "mine.tar"


@pytest.mark.parametrize("make", [damaged_zip, tar_with_a_nul])
def test_a_damaged_archive_is_told_and_leaves_nothing(make: Any, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(InvalidDataError, match=r"mine\.\w+: not a readable archive.*Pack it again"):
        read_data(make(tmp_path), ReadOptions(cache=cache))
    assert list(cache.iterdir()) == []


def test_two_searches_may_unpack_one_archive_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, options = tmp_path / "mine.zip", ReadOptions(cache=tmp_path / "cache")
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("t.csv", table().to_csv(index=False))
    others: list[Any] = []
    unpack = archive._unpack

    def with_another(*where: Any) -> None:
        unpack(*where)
        if not others:  # one that begins later and ends earlier
            others.append("other")
            others.append(read_data(path, options).y)

    monkeypatch.setattr(archive, "_unpack", with_another)
    assert np.array_equal(read_data(path, options).y, others[1])
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize("as_file", [True, False])
def test_arrays_of_other_names_are_left_out_and_told(as_file: bool, tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 2
    given: Any = {"x_train": x, "y_train": y, "x_new": x, "y_new": y, "x_test": x, "y_test": y}
    if as_file:
        np.savez(tmp_path / "mine.npz", **given)
        given = tmp_path / "mine.npz"
    notes = read_data(given).notes
    assert "Arrays with other names were left out: x_new, y_new." in notes
    with pytest.raises(InvalidDataError, match=r"has the arrays weights, y\. Needed: `x`, `y`"):
        read_data({"weights": x, "y": y})


def test_labels_of_bytes_are_text() -> None:
    given = {"x": np.zeros((30, 4)), "y": np.array(["Käse".encode(), b"dog"] * 15)}
    assert read_data(given).classes == ("Käse", "dog")


def test_names_from_data_cannot_change_the_screen(tmp_path: Path) -> None:
    image_folder(tmp_path, labels=("cat", "\x1b[31mred\n  samples: none"))
    text = summarise(read_data(tmp_path)).text()
    assert "\x1b" not in text and text.count("\n") == 4
    assert "\ufffd[31mred\ufffd  samples: none 50.0 %" in text


@pytest.mark.parametrize("name", ["", "Id"])
def test_numbers_of_rows_are_not_learned_from(name: str, tmp_path: Path) -> None:
    made = table().sort_values("label", ignore_index=True)  # the row alone tells the class
    made.index = made.index + 1
    made.to_csv(tmp_path / "mine.csv", index_label=name)
    data = read_data(tmp_path / "mine.csv")
    assert [x["name"] for x in data.steps[0]["columns"]] == ["age", "size", "colour"]
    assert any(x.endswith("is left out: it numbers the rows.") for x in data.notes)


def test_a_number_that_grows_by_one_is_told() -> None:
    data = read_data(table().assign(year=range(1920, 2000)))
    assert "Column 'year' numbers the rows; remove it if it is only an index." in data.notes
    assert "year" in [x["name"] for x in data.steps[0]["columns"]]


def test_what_no_number_holds_is_told() -> None:
    notes = read_data(table().assign(a=[{1}, {2}] * 40, b=[1j, 2j] * 40)).notes
    assert "Column 'a' is left out: its values are lists." in notes
    assert "Column 'b' is left out: complex numbers are not supported; give their parts." in notes
