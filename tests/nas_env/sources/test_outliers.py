"""Values far from all others are reported, and do not destroy their column."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from nas_env.sources import ReadOptions, preprocessing, read_data
from tests.support.made_data import table


def marks(rows: int = 400) -> pandas.DataFrame:
    """Return a table whose class follows from a column of numbers from 0 to 6."""
    mark = np.random.default_rng(3).integers(0, 7, rows).astype(float)
    return pandas.DataFrame({"mark": mark, "y": np.where(mark > 3, "pass", "fail")})


@pytest.mark.parametrize("wrong", [1e15, -1e15, 1e6, 4e30, 2000.0])
def test_a_typing_error_does_not_destroy_its_column(wrong: float) -> None:
    made = marks()
    row = int(read_data(made).rows["train"][5])
    made.loc[row, "mark"] = wrong
    data = read_data(made)
    (note,) = (x for x in data.notes if "interquartile" in x)
    assert f"such as {wrong:.6g} in row {row + 1}." in note
    assert note.endswith("clipped to 0 to 6, the range of the other training values.")
    train, test = data.rows["train"], data.rows["test"]
    model = LogisticRegression(C=1e4).fit(data.x[train], data.y[train])
    assert model.score(data.x[test], data.y[test]) == 1.0
    assert np.ptp(data.x[train]) < 5
    again = preprocessing.apply(data.steps, {"mark": made["mark"]})
    np.testing.assert_array_equal(again, data.x)
    outside = preprocessing.apply(data.steps, {"mark": [7, 1e20, -3]})
    np.testing.assert_array_equal(outside, preprocessing.apply(data.steps, {"mark": [6, 6, 0]}))


def test_a_value_far_outside_in_another_split_is_reported_and_nothing_learned_from_it() -> None:
    made = marks()
    before = read_data(made)
    made.loc[before.rows["test"][0], "mark"] = 1e15
    data = read_data(made)
    assert data.steps == before.steps
    row = before.rows["test"][0] + 1
    assert any(f"1e+15 in row {row}. No training row has such" in x for x in data.notes)


def test_a_target_far_outside_is_reported() -> None:
    made = table().assign(label=np.random.default_rng(0).normal(size=80))
    made.loc[7, "label"] = 1e9
    notes = read_data(made).notes
    assert any("'label': 1 value is more than 100" in x and "1e+09 in row 8" in x for x in notes)


def columns_of(kind: str, rows: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    return {
        "normal": rng.normal(40, 10, rows),
        "integers": rng.integers(-5, 900, rows),
        "mostly zero": np.where(rng.random(rows) < 0.9, 0, rng.integers(100, 99_999, rows)),
        "exponential": rng.exponential(30, rows),
        "binary": rng.integers(0, 2, rows),
        "with missing": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows)),
        "lognormal": rng.lognormal(3, 1, rows),
        "rare": (np.arange(rows) % 37 == 0).astype(int),
    }[kind]


KINDS = ("normal", "integers", "mostly zero", "exponential", "binary", "with missing", "rare")


@pytest.mark.parametrize("count", [1, 3, 7])
def test_columns_without_such_values_are_standardised_by_scikit_learn(count: int) -> None:
    made = pandas.DataFrame({kind: columns_of(kind, 500) for kind in KINDS[:count]})
    rng = np.random.default_rng(1)
    made["word"] = rng.choice([f"w{x:02}" for x in range(50)], 500)
    made["place"] = rng.choice(["a", "b", None], 500)
    data = read_data(made.assign(y=[0, 1] * 250))
    fill = SimpleImputer(strategy="median", keep_empty_features=True)
    absent = SimpleImputer(strategy="constant", fill_value="(missing)", missing_values=None)
    encoder = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=33, sparse_output=False
    )
    parts = [
        ("numbers", make_pipeline(fill, StandardScaler()), list(KINDS[:count])),
        ("text", make_pipeline(absent, encoder), ["word", "place"]),
    ]
    reference = ColumnTransformer(parts, sparse_threshold=0)
    table_of_numbers = made.astype(dict.fromkeys(KINDS[:count], float))
    reference.fit(table_of_numbers.iloc[data.rows["train"]])
    expected = reference.transform(table_of_numbers).astype(np.float32)
    np.testing.assert_array_equal(data.x, expected)
    assert not any("interquartile" in x for x in data.notes)


def test_numbers_mostly_zero_have_the_range_of_the_others() -> None:
    made = table(300).assign(gain=columns_of("mostly zero", 300).astype(float))
    made.loc[read_data(made).rows["train"][0], "gain"] = 1e12
    data = read_data(made, ReadOptions())
    gain = next(x for x in data.steps[0]["columns"] if x["name"] == "gain")
    assert gain["low"] == 0 and 50_000 < gain["high"] < 99_999
