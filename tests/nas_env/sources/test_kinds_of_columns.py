"""What a column is taken for is told, so that a mistake in it is seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas_env.errors import InvalidDataError
from nas_env.sources import read_data
from tests.support.made_data import image_folder, table


def test_numbers_and_text_are_told_apart() -> None:
    notes = read_data(table()).notes
    assert "Numbers: 'age', 'size'. Text: 'colour' (3 different values)." in notes
    wide = table().assign(**{f"x{i}": np.arange(80.0) ** 0.5 * (i + 1) for i in range(30)})
    (note,) = (x for x in read_data(wide).notes if x.startswith("Numbers: "))
    assert "'x17' and 12 more. Text: 'colour'" in note


def test_a_mistake_in_a_column_with_decimal_commas_is_found(tmp_path: Path) -> None:
    made = table().assign(width=[f"{i // 4},{i % 4}" for i in range(80)])
    made.loc[7, "width"] = "n.d."
    made.to_csv(tmp_path / "mine.csv", index=False, sep=";")
    with pytest.raises(InvalidDataError, match=r"row 8 has n\.d\. in the column 'width', of which"):
        read_data(tmp_path / "mine.csv")


@pytest.mark.parametrize("values", [("1,200", "12,000", "0,5"), ("1,200", "7,25")])
def test_a_comma_is_decimal_where_one_is_plainly(values: tuple[str, ...], tmp_path: Path) -> None:
    made = table().assign(size=[values[i % len(values)] for i in range(80)])
    made.to_csv(tmp_path / "mine.tsv", index=False, sep="\t")
    plain = made.assign(size=made["size"].str.replace(",", ".").astype(float))
    assert plain["size"][0] == 1.2
    np.testing.assert_allclose(read_data(tmp_path / "mine.tsv").x, read_data(plain).x, rtol=1e-6)


def test_a_comma_that_may_stand_for_thousands_is_refused(tmp_path: Path) -> None:
    made = table().assign(size=["950", "1,200", "12,000", "-1,300"] * 20)
    made.to_csv(tmp_path / "mine.tsv", index=False, sep="\t")
    told = r"'size' has 1,200\. .*write 1\.200 everywhere, or 1200 "
    with pytest.raises(InvalidDataError, match=told):
        read_data(tmp_path / "mine.tsv")


@pytest.mark.parametrize(
    ("day", "are_dates"),
    [
        ("2024-03-{:02}", True),
        ("{:02}.03.2024", True),
        ("03/{:02}/24", True),
        ("{:02}.03.2024 10:15", True),
        ("2024-03-{:02}T10:15:00Z", True),
        ("day {:02}", False),
        ("1.2.{:02}", False),
        ("10-20-{:02}", False),
    ],
)
def test_dates_are_left_out_as_text_too(day: str, are_dates: bool, tmp_path: Path) -> None:
    made = table().assign(day=[day.format(1 + i % 28) for i in range(80)])
    made.to_csv(tmp_path / "mine.csv", index=False)
    told = any("'day' is left out: dates" in x for x in read_data(tmp_path / "mine.csv").notes)
    assert told is are_dates


def test_images_below_the_folders_of_classes_are_told(tmp_path: Path) -> None:
    for name in ("first", "second"):
        image_folder(tmp_path / name)
    (note,) = (x for x in read_data(tmp_path).notes if "within" in x)
    assert note.startswith("60 images are in folders within class folders, such as first/…/")
    assert note.endswith("the outer folder, first, is used as the class.")
    assert not any("within" in x for x in read_data(tmp_path / "first").notes)


@pytest.mark.parametrize("name", ["mine.xlsx", "mine.txt"])
def test_what_a_spreadsheet_writes_is_told_how_to_save(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("a\tb\n")
    with pytest.raises(InvalidDataError, match=r"Save a spreadsheet as CSV, and name .* \.tsv"):
        read_data(tmp_path / name)


def test_another_encoding_is_told_how_to_save(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes("größe,label\n1,a\n".encode("latin-1"))
    with pytest.raises(InvalidDataError, match='save it as "CSV UTF-8"'):
        read_data(tmp_path / "mine.csv")
