"""Columns of a table are encoded by the training rows alone, and the plain data say how."""

from __future__ import annotations

import json

import numpy as np
import pandas
import pytest
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from nas_env.errors import InvalidDataError
from nas_env.sources import ReadOptions, preprocessing, read_data
from nas_env.sources._columns import MOST_CATEGORIES
from tests.support.made_data import table


def raw(made: pandas.DataFrame) -> dict[str, list[object]]:
    return {name: made[name].tolist() for name in made.columns}


def test_plain_data_and_numpy_do_what_scikit_learn_does() -> None:
    made = table(300)
    data = read_data(made)
    plain = json.loads(json.dumps(data.steps))
    assert np.array_equal(preprocessing.apply(plain, raw(made)), data.x)
    assert data.x.shape == (300, 1 + 4 + 1)  # age, size, three colours and "missing"


def test_numbers_are_those_of_an_imputer_and_a_scaler_of_the_training_rows() -> None:
    made = table(300)
    data = read_data(made)
    train = data.rows["train"]
    ages = made[["age"]].to_numpy()
    fill = SimpleImputer(strategy="median").fit(ages[train])
    scale = StandardScaler().fit(fill.transform(ages[train]))
    expected = scale.transform(fill.transform(ages))[:, 0]
    np.testing.assert_allclose(data.x[:, 0], expected, atol=1e-5)
    np.testing.assert_allclose(data.x[train, 0].mean(), 0, atol=1e-5)


def test_nothing_is_learned_from_the_other_splits() -> None:
    made = table(100).assign(split=["train"] * 60 + ["val"] * 20 + ["test"] * 20)
    changed = made.copy()
    changed.loc[60:, "age"] = 1e6
    changed.loc[60:, "colour"] = "purple"
    before, after = (read_data(x).steps for x in (made, changed))
    assert before == after


def test_categories_that_training_did_not_see_are_none_of_the_known() -> None:
    made = table(100).assign(split=["train"] * 60 + ["test"] * 40)
    made.loc[70, "colour"] = "purple"
    data = read_data(made)
    colours = next(x for x in data.steps[0]["columns"] if x["name"] == "colour")
    assert "purple" not in colours["categories"]
    hot = data.x[:, 2:]
    assert (hot[70] == 0).all()
    assert (hot.sum(axis=1) == 1).sum() == 99


def test_rare_categories_share_one_number() -> None:
    rng = np.random.default_rng(0)
    words = [f"w{x:02}" for x in np.minimum(rng.geometric(0.06, 1000), 60)]
    made = table(1000).assign(colour=words)
    data = read_data(made)
    colours = next(x for x in data.steps[0]["columns"] if x["name"] == "colour")
    assert colours["rare"]
    assert len(colours["categories"]) == MOST_CATEGORIES
    assert np.array_equal(preprocessing.apply(data.steps, raw(made)), data.x)
    assert (data.x[:, 2:].sum(axis=1) == 1).all()


def test_a_column_that_is_empty_in_training_keeps_its_place() -> None:
    made = table(100).assign(split=["train"] * 60 + ["test"] * 40)
    made["late"] = [np.nan] * 60 + list(range(40))
    data = read_data(made)
    assert np.isfinite(data.x).all()
    assert data.x.shape[1] == 7


def test_a_missing_column_is_named_when_it_is_done_again() -> None:
    made = table()
    plain = read_data(made, ReadOptions(target="label")).steps
    with pytest.raises(InvalidDataError, match=r"Column 'age' is missing\. Needed: age, size, col"):
        preprocessing.apply(plain, raw(made[["size", "colour"]]))
