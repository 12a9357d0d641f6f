"""Rows as `csv.DictReader` gives them: what is missing, and what is said of wrong values."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image

from nas_env.architecture import Architecture, Layer
from nas_env.errors import InvalidDataError
from nas_env.export import write_source
from nas_env.sources import encoding, preprocessing
from nas_env.tasks import TaskSpec
from nas_env.tasks.own_data import DataTask, own_data
from tests.support.made_data import image, table
from tests.support.written_network import run

VECTOR = Architecture((Layer.of("linear", units=6),))
CONVOLUTION = Architecture((Layer.of("conv", channels=4, kernel=3),))
NUMBER = {"name": "Breite", "kind": "numeric", "fill": 2.0, "mean": 1.0, "sd": 4.0}
WORDS = ["(missing)", "NA", "Bonn"]
TOWN = {"name": "Ort (PLZ)", "kind": "categorical", "categories": WORDS}
ROWS = {"step": "columns", "columns": [NUMBER, {**TOWN, "rare": True, "fill": "(missing)"}]}
IMAGES = {"step": "image", "channels": 1, "size": [8, 6]}
WRONG = {
    "8,16": "'8,16' is not a number; if this is a decimal comma, write 8.16",
    "1.000,5": "'1.000,5' is not a number",
    "many": "'many' is not a number",
    "NAN": "'NAN' is not a number",
    "-inf": "'-inf' is not a number",
}


def written(step: dict[str, Any], shape: tuple[int, ...] = (5,)) -> dict[str, Any]:
    """Return the names of the file that is written for a step."""
    layers, kind = (VECTOR, "vector") if len(shape) == 1 else (CONVOLUTION, "image")
    return run(write_source(layers, TaskSpec("probe", 1, kind, shape, 3), [step]).text)


def columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def of_task(task: DataTask) -> dict[str, Any]:
    return run(write_source(VECTOR, task.spec, task.preprocessing, task.classes).text)


def test_rows_of_a_csv_file_are_encoded_as_the_search_read_them(tmp_path: Path) -> None:
    made = table(90).assign(sold=[x % 2 == 0 for x in range(90)])
    made["word"] = [("a", "b", "NA", "c", "n/a")[x % 5] for x in range(90)]
    made["colour"] = made["colour"].where(made.index % 7 != 5, None)
    made.to_csv(tmp_path / "mine.csv", index=False)
    task = own_data(tmp_path / "mine.csv", target="label")
    texts = [x["categories"] for x in task.preprocessing[0]["columns"] if "categories" in x]
    assert [x[0] for x in texts] == ["(missing)", "(missing)"]
    with (tmp_path / "mine.csv").open(newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    assert rows[5]["colour"] == "" and rows[7]["word"] == "NA" and rows[3]["age"] == ""
    assert np.array_equal(of_task(task)["encode"](rows).numpy(), task.data.x)
    assert np.array_equal(preprocessing.apply(task.preprocessing, columns(rows)), task.data.x)


def test_words_for_missing_values_are_those_of_pandas() -> None:
    from pandas._libs.parsers import STR_NA_VALUES

    assert set(encoding.MISSING) == STR_NA_VALUES
    assert set(written(ROWS)["MISSING"]) == STR_NA_VALUES


def test_a_category_is_never_missing_and_both_know_the_same() -> None:
    words = [*encoding.MISSING, "  ", " NA ", "NA", "Bonn", None, np.nan, pandas.NA, "?"]
    rows = [{"Breite": 3, "Ort (PLZ)": word} for word in words]
    found = written(ROWS)["encode"](rows).numpy()
    assert np.array_equal(found, preprocessing.apply([ROWS], columns(rows)))
    where = found[:, 1:].argmax(axis=1)
    assert [WORDS[x] if x < 3 else "rare" for x in where] == [
        "NA"
        if word == "NA"
        else "Bonn"
        if word == "Bonn"
        else "rare"
        if word == "?"
        else "(missing)"
        for word in map(str, words[:-4])
    ] + ["(missing)"] * 3 + ["rare"]


def test_numbers_as_text_are_numbers_and_empty_ones_are_missing() -> None:
    words = ["", " ", "NA", "n/a", None, "8.16", " 8.16 ", 8.16, "True", "false", True, np.False_]
    rows = [{"Breite": word, "Ort (PLZ)": "Bonn"} for word in words]
    found = written(ROWS)["encode"](rows).numpy()
    assert np.array_equal(found, preprocessing.apply([ROWS], columns(rows)))
    values = [2.0] * 5 + [8.16] * 3 + [1, 0, 1, 0]
    assert np.array_equal(found[:, 0], ((np.array(values) - 1) / 4).astype(np.float32))


@pytest.mark.parametrize("word", WRONG)
def test_what_is_no_number_is_told_with_row_and_column(word: str) -> None:
    rows = [{"Breite": x, "Ort (PLZ)": "Bonn"} for x in (1, "2", word)]
    told = f"row 3, column 'Breite': {WRONG[word]}"
    with pytest.raises(ValueError) as first:
        written(ROWS)["encode"](rows)
    with pytest.raises(InvalidDataError) as again:
        preprocessing.apply([ROWS], columns(rows))
    assert str(first.value) == str(again.value) == told


def test_a_column_that_a_row_lacks_is_told_with_what_is_needed() -> None:
    rows = [{"Breite": 1, "Ort (PLZ)": "Bonn"}, {"Breite": 1}]
    with pytest.raises(ValueError) as told:
        written(ROWS)["encode"](rows)
    assert str(told.value) == "row 2 lacks the column 'Ort (PLZ)'; needed: Breite, Ort (PLZ)"


def test_a_single_row_is_a_list_of_one() -> None:
    row, encode = {"Breite": "1", "Ort (PLZ)": "Bonn"}, written(ROWS)["encode"]
    assert np.array_equal(encode(row), encode([row]))


def test_a_single_image_is_a_list_of_one(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    image(0, 1).save(path)
    text = write_source(CONVOLUTION, TaskSpec("probe", 1, "image", (1, 8, 6), 3), [IMAGES]).text
    names: dict[str, Any] = {"__name__": "written", "__file__": "/nowhere/network.py"}
    exec(compile(text, "network.py", "exec"), names)
    expected = names["encode"]([path])
    for single in (path, str(path), Image.open(path)):
        assert np.array_equal(names["encode"](single), expected)
        assert np.array_equal(preprocessing.apply([IMAGES], single), expected)
