"""Kinds of columns, words for missing values, dates, and names of columns."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_env.architecture import Architecture, Layer
from nas_env.errors import InvalidDataError, InvalidSettingError, NASError, UnknownNameError
from nas_env.export import write_source
from nas_env.sources import DataSet, ReadOptions, preprocessing, read_data
from nas_env.tasks import TaskSpec
from nas_env.tasks.own_data import own_data
from tests.support.made_data import table
from tests.support.written_network import run

LINEAR = Architecture((Layer.of("linear", units=2),))


def exported(data: DataSet, rows: list[dict[Any, Any]]) -> Any:
    """Return rows as the exported file encodes them."""
    spec = TaskSpec("probe", 1, "vector", tuple(data.x.shape[1:]), 2)
    return run(write_source(LINEAR, spec, data.steps).text)["encode"](rows).numpy()


def check_exported(data: DataSet, made: Any) -> None:
    """Check that the rows are encoded as they were read, by both programs."""
    assert np.array_equal(exported(data, made.to_dict("records")), data.x)
    assert np.array_equal(preprocessing.apply(data.steps, {x: made[x] for x in made}), data.x)


def check_csv(path: Path, options: ReadOptions) -> DataSet:
    """Read a CSV file, and check that its rows are encoded as they were read."""
    data = read_data(path, options)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert np.array_equal(exported(data, rows), data.x)
    return data


def column_of(data: DataSet, name: str) -> dict[str, Any]:
    return next(x for x in data.steps[0]["columns"] if x["name"] == name)


def test_a_number_may_be_a_category_and_its_zeros_are_kept(tmp_path: Path) -> None:
    made = table().assign(zip=[f"{x:05}" for x in (501, 10001, 90210, 2134)] * 20)
    made.to_csv(tmp_path / "mine.csv", index=False)
    for kinds in ({}, {"zip": "category"}):
        data = check_csv(tmp_path / "mine.csv", ReadOptions(columns=kinds))
        assert column_of(data, "zip")["categories"] == ["00501", "02134", "10001", "90210"]
    numbers = check_csv(tmp_path / "mine.csv", ReadOptions(columns={"zip": "number"}))
    assert column_of(numbers, "zip")["kind"] == "numeric"
    check_exported(read_data(made), made)


@pytest.mark.parametrize("kind", ["ignore", "text"])
def test_a_column_is_left_out_if_it_is_set_so(kind: str) -> None:
    data = read_data(table(), ReadOptions(columns={"colour": kind}))
    assert [x["name"] for x in data.steps[0]["columns"]] == ["age", "size"]
    why = {"ignore": "as set", "text": "text cannot be encoded yet"}[kind]
    assert any(x.startswith(f"Column 'colour' is left out: {why}") for x in data.notes)


DATES = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%m/%d/%y", "%Y%m%d")


@pytest.mark.parametrize("form", [*DATES, "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", None])
def test_a_date_is_its_parts(form: str | None, tmp_path: Path) -> None:
    days = pandas.Series(pandas.date_range("2023-11-20 10:15", periods=80, freq="3D"))
    made = table().assign(day=days.dt.strftime(form) if form else days)
    made.loc[4, "day"] = None
    options = ReadOptions(columns={"day": "date"})
    data = read_data(made, options)
    parts = pandas.DataFrame(
        {"year": days.dt.year, "month": days.dt.month, "day": days.dt.day, "of": days.dt.weekday}
    ).astype(float)
    parts.loc[4] = np.nan
    plain = read_data(table().drop(columns="colour").assign(**parts))
    np.testing.assert_array_equal(data.x[:, -4:], plain.x[:, -4:])
    assert any("'day' holds dates, read as year, month, day and weekday" in x for x in data.notes)
    check_exported(data, made)
    made.to_csv(tmp_path / "mine.csv", index=False)
    if form != "%Y-%m-%dT%H:%M:%S":
        assert np.array_equal(check_csv(tmp_path / "mine.csv", options).x[:, -4:], data.x[:, -4:])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["01/02/2024", "03/04/2024"], "01/02/2024, in which day and month cannot be told apart"),
        (
            ["2024-01-31"] * 39 + ["soon"],
            r"row 40 has soon in the column 'day', which is not a dat",
        ),
    ],
)
def test_dates_that_are_not_certain_are_refused(values: list[str], message: str) -> None:
    made = table().assign(day=values * (80 // len(values)))
    with pytest.raises(InvalidDataError, match=message):
        read_data(made, ReadOptions(columns={"day": "date"}))


@pytest.mark.parametrize(
    ("values", "word"),
    [([3, -999, 5, 7], "-999"), ([2.5, -999, 4, 1], "-999"), (list("abxc"), "x")],
)
@pytest.mark.parametrize("as_file", [True, False])
def test_words_that_are_set_are_missing(
    values: list[Any], word: str, as_file: bool, tmp_path: Path
) -> None:
    made = table().assign(extra=values * 20)
    expected = read_data(made.assign(extra=[None if str(x) == word else x for x in values] * 20))
    if word == "-999":
        expected = read_data(made.assign(extra=made["extra"].where(made["extra"] != -999)))
    options = ReadOptions(missing=(word,))
    if as_file:
        made.to_csv(tmp_path / "mine.csv", index=False)
        data = check_csv(tmp_path / "mine.csv", options)
        np.testing.assert_allclose(data.x, expected.x, rtol=1e-5)
    else:
        data = read_data(made, options)
        np.testing.assert_array_equal(data.x, expected.x)
        check_exported(data, made)


def test_a_word_that_is_set_is_missing_in_the_target_too() -> None:
    made = table().assign(label=["yes", "no", "no", "tbd"] * 20)
    assert read_data(made).classes == ("no", "tbd", "yes")
    with pytest.raises(InvalidDataError, match=r"row 4 has no value in the target column 'label'"):
        read_data(made, ReadOptions(missing=("tbd",)))


@pytest.mark.parametrize("word", ["NA", "None", "null", "N/A"])
def test_a_class_may_be_a_word_for_missing_values(word: str, tmp_path: Path) -> None:
    made = table().assign(label=[word, "b"] * 40, region=[word, "EU", "US", "EU"] * 20)
    assert read_data(made).classes == tuple(sorted((word, "b")))
    path = tmp_path / "mine.csv"
    made.to_csv(path, index=False)
    with pytest.raises(InvalidDataError, match=r"set default_missing=False \(--no-default-missing"):
        read_data(path)
    data = check_csv(path, ReadOptions(default_missing=False))
    assert data.classes == tuple(sorted((word, "b")))
    assert column_of(data, "region")["categories"] == sorted(["EU", word, "US"])
    assert np.isfinite(data.x).all() and column_of(data, "age")["kind"] == "numeric"


def test_none_is_a_class_if_only_set_words_are_missing() -> None:
    made = table().assign(label=[None, "b"] * 40)
    assert read_data(made, ReadOptions(default_missing=False)).classes == ("None", "b")


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(["NA", "None", "nan", "", "a", "b", None]), min_size=12, max_size=12),
    st.integers(0, 60),
)
def test_text_such_as_none_is_told_apart_from_missing_values(cells: list[Any], others: int) -> None:
    words = [f"w{x}" for x in range(others)]
    cells = [*(cells * 30)[: 360 - 2 * others], *words, *words]
    made = pandas.DataFrame(
        {"a": np.arange(360) ** 0.5, "word": pandas.Series(cells, dtype=object), "y": [0, 1] * 180}
    )
    data = read_data(made)
    if not any(x["name"] == "word" for x in data.steps[0]["columns"]):
        assert any("'word' is left out" in x for x in data.notes)
        return
    check_exported(data, made)
    column = column_of(data, "word")
    if column["kind"] == "categorical" and not column["rare"]:
        kinds = {str(x) for x in made["word"].dropna()} | {"(missing)"}
        assert set(column["categories"]) <= kinds


def test_integer_names_of_columns_are_found() -> None:
    made = pandas.DataFrame({0: np.arange(80) ** 0.5, 3: ["yes", "no"] * 40, 7: ["a", "b"] * 40})
    data = read_data(made, ReadOptions(target=3, columns={7: "category"}))
    assert data.classes == ("no", "yes") and own_data(made, target=3).classes == data.classes
    check_exported(data, made.drop(columns=3))


@pytest.mark.parametrize("fill", [0, 0.0, np.nan])
def test_sparse_columns_are_read(fill: float) -> None:
    dense = table().assign(count=np.where(np.arange(80) % 5, fill, np.arange(80)))
    array = pandas.arrays.SparseArray(dense["count"], fill_value=fill)
    data, plain = read_data(dense.assign(count=array)), read_data(dense)
    np.testing.assert_array_equal(data.x, plain.x)
    sparse_target = dense.fillna(1).assign(label=pandas.arrays.SparseArray([0, 1] * 40))
    assert read_data(sparse_target).classes == ("0", "1")


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("age,age,y", "has two columns 'age'. Give every column a unique name"),
        ("a,,y", "column 2 has no name. Give every column a unique name"),
        (",a,y", "column 1 has no name. Give every column a unique name"),
        ("a,a.1,a,y", "has two columns 'a'. Give every column a unique name"),
    ],
)
def test_names_that_pandas_would_change_are_refused(
    head: str, message: str, tmp_path: Path
) -> None:
    count = head.count(",")
    rows = [
        f"{','.join(['5', '7', '2', '9'][i % 4] for _ in range(count))},{i % 2}" for i in range(40)
    ]
    (tmp_path / "mine.csv").write_text("\n".join([head, *rows]))
    for default in (True, False):
        with pytest.raises(InvalidDataError, match=message):
            read_data(tmp_path / "mine.csv", ReadOptions(default_missing=default))


def test_a_column_called_split_is_a_feature_if_its_kind_is_set() -> None:
    made = table().assign(split=["hard", "soft"] * 40)
    with pytest.raises(InvalidDataError, match=r"or set .* \(--column split=category\)"):
        read_data(made)
    data = read_data(made, ReadOptions(columns={"split": "category"}))
    assert column_of(data, "split")["categories"] == ["hard", "soft"]
    assert [len(data.rows[x]) for x in data.rows] == [48, 16, 16]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": {"size": "numbr"}}, "Unknown kind of column 'numbr'. Did you mean 'number'"),
        ({"columns": {"siz": "number"}}, "has no column 'siz', which is set to be 'number'. Col"),
        ({"columns": {"label": "ignore"}}, "target column 'label' is set to be 'ignore'. It must"),
        ({"columns": {"colour": "number"}}, "has green in the column 'colour', which is set to be"),
        ({"missing": "tbd"}, "missing must be a list of words, got 'tbd'"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    made = table().assign(colour=["green", "red"] * 40)
    with pytest.raises(NASError, match=message) as refused:
        own_data(made, target="label", **options)
    assert isinstance(refused.value, InvalidDataError | InvalidSettingError | UnknownNameError)


@pytest.mark.parametrize(
    "options", [{"columns": {"a": "number"}}, {"missing": ("?",)}, {"default_missing": False}]
)
def test_options_of_columns_do_not_apply_to_arrays(options: dict[str, Any]) -> None:
    arrays = {"x": np.random.default_rng(0).normal(size=(30, 4)), "y": np.arange(30) % 2}
    with pytest.raises(InvalidSettingError, match="does not apply to data without columns"):
        own_data(arrays, **options)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("word", ["", "?", "none"])
def test_formatted_columns_of_a_file_are_encoded_as_they_were_read(
    separator: str, word: str, tmp_path: Path
) -> None:
    amounts = np.random.default_rng(0).integers(-99_999, 999_999, 80) / 10
    english, german = (
        [f"${x:,.1f}" for x in amounts],
        [f"{x:.1f}".replace(".", ",") for x in amounts],
    )
    made = table().assign(a=english, b=[f"{x} €" for x in german], c=[f"{x} %" for x in amounts])
    made.loc[10:30, ["a", "b", "c"]] = word
    made.to_csv(tmp_path / "mine.csv", index=False, sep=separator)
    data = read_data(tmp_path / "mine.csv")
    plain = table().assign(**dict.fromkeys("abc", pandas.Series(amounts)))
    plain.loc[10:30, ["a", "b", "c"]] = np.nan
    np.testing.assert_allclose(data.x, read_data(plain).x, rtol=1e-6)
    with (tmp_path / "mine.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter=separator))
    assert np.array_equal(exported(data, rows), data.x)
