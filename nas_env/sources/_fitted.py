"""Encodes the columns of a table as numbers, with scikit-learn fitted on the training rows only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.extras import require
from nas_env.sources._outliers import far_note, usual

MISSING = "(missing)"  # the category of missing values
MOST_CATEGORIES = 32  # of a column; rarer categories share one additional category
Plain = dict[str, Any]


@dataclass(frozen=True)
class Numbers:
    """A column of numbers.

    Attributes:
        name: Name of the column.
        values: (n,) numbers; NaN is missing.
        more: Further entries of the column's description, such as the format of text.
    """

    name: str
    values: NDArray[np.float64]
    more: Plain = field(default_factory=dict)


@dataclass(frozen=True)
class Categories:
    """A column of categories.

    Attributes:
        name: Name of the column.
        codes: (n,) index of each row's category; -1 is missing.
        labels: The categories.
        more: Further entries of the column's description, such as words for missing values.
    """

    name: str
    codes: NDArray[np.intp]
    labels: NDArray[np.object_]
    more: Plain = field(default_factory=dict)


@dataclass(frozen=True)
class Dates:
    """A column of dates.

    Attributes:
        name: Name of the column.
        parts: (n, 4) year, month, day and weekday; NaN is missing.
        more: Further entries of the column's description, such as the format of text.
    """

    name: str
    parts: NDArray[np.float64]
    more: Plain = field(default_factory=dict)


class _Encoding(NamedTuple):
    plain: Plain  # description of the column
    labels: dict[str, int]  # position of each category


class Fitted:
    """Columns with the encoding that is fitted on the training rows.

    Args:
        columns: The columns.
        count: Number of rows.
        train: (m,) training rows.

    Attributes:
        notes: Information on values that are changed, one sentence each.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """

    def __init__(
        self,
        columns: Sequence[Numbers | Categories | Dates],
        count: int,
        train: NDArray[np.int64],
    ) -> None:
        self.count = count
        require("Tables need", "data", "sklearn")
        self.numbers = [x for x in columns if isinstance(x, Numbers)]
        self.texts = [x for x in columns if isinstance(x, Categories)]
        self.dates = [x for x in columns if isinstance(x, Dates)]
        self.notes: list[str] = []
        self._numbers = self._fit_numbers(train)
        self._texts = [_categories(column, train) for column in self.texts]
        self._dates = [_date(column, train) for column in self.dates]

    def described(self) -> list[Plain]:
        """Return the encoding of each column, as plain data; see `sources.preprocessing`."""
        return [*self._numbers, *(x.plain for x in self._texts), *self._dates]

    @property
    def width(self) -> int:
        """Number of features of an encoded row."""
        categories = (len(x["categories"]) + int(x["rare"]) for x, _ in self._texts)
        return len(self._numbers) + sum(categories) + sum(len(x["mean"]) for x in self._dates)

    def transform(self) -> NDArray[np.float32]:
        """Return all rows encoded, (n, width)."""
        encoded, place = np.zeros((self.count, self.width), np.float32), 0
        for column, plain in zip(self.numbers, self._numbers, strict=True):
            encoded[:, place] = _scaled(column.values, plain)
            place += 1
        for text, (plain, positions) in zip(self.texts, self._texts, strict=True):
            width = len(plain["categories"]) + plain["rare"]
            other = width - 1 if plain["rare"] else -1
            places = np.array([positions.get(x, other) for x in (*text.labels, MISSING)])[
                text.codes
            ]
            rows = np.flatnonzero(places >= 0)
            encoded[rows, place + places[rows]] = 1
            place += width
        for date, plain in zip(self.dates, self._dates, strict=True):
            for part, values in enumerate(date.parts.T):
                learned = {key: plain[key][part] for key in ("fill", "mean", "sd")}
                encoded[:, place] = _scaled(values, learned)
                place += 1
        return encoded

    def _fit_numbers(self, train: NDArray[np.int64]) -> list[Plain]:
        names = [column.name for column in self.numbers]
        chosen, clips = [], []
        for column in self.numbers:
            values = column.values[train]
            limits = usual(values)
            self.notes += [note] if (note := far_note(column.name, column.values, limits)) else []
            clip = {"low": limits.low, "high": limits.high} if limits and limits.clip else {}
            chosen.append(np.clip(values, clip["low"], clip["high"]) if clip else values)
            clips.append(clip)
        learned = _moments(chosen)
        kind = {"kind": "numeric"}
        return [
            {
                "name": name,
                **kind,
                **dict(zip(("fill", "mean", "sd"), x, strict=True)),
                **clip,
                **column.more,
            }
            for name, x, clip, column in zip(names, learned, clips, self.numbers, strict=True)
        ]


def _moments(columns: Sequence[NDArray[np.float64]]) -> list[tuple[float, float, float]]:
    """Return the median, and mean and standard deviation after filling, of each column."""
    if not columns:
        return []
    import pandas
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import StandardScaler

    table = pandas.DataFrame(dict(enumerate(columns)))
    fill = SimpleImputer(strategy="median", keep_empty_features=True)
    scale = StandardScaler().fit(fill.fit_transform(table))
    learned = zip(fill.statistics_, scale.mean_, scale.scale_, strict=True)
    return [(float(f), float(m), float(s)) for f, m, s in learned]


def _scaled(values: NDArray[np.float64], plain: Plain) -> NDArray[np.float64]:
    filled = np.where(np.isnan(values), plain["fill"], values)
    if "low" in plain:
        filled = np.clip(filled, plain["low"], plain["high"])
    scaled: NDArray[np.float64] = (filled - plain["mean"]) / plain["sd"]
    return scaled


def _categories(column: Categories, train: NDArray[np.int64]) -> _Encoding:
    from sklearn.preprocessing import OneHotEncoder

    labels = np.array([*column.labels, MISSING], dtype=object)
    encoder = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=MOST_CATEGORIES + 1
    ).fit(labels[column.codes[train]].reshape(-1, 1))
    rare = encoder.infrequent_categories_[0]
    seldom = set() if rare is None else set(rare)
    frequent = [str(x) for x in encoder.categories_[0] if x not in seldom]
    plain: Plain = {"name": column.name, "kind": "categorical", "categories": frequent}
    plain |= {"rare": bool(seldom), "fill": MISSING, **column.more}
    return _Encoding(plain, {label: position for position, label in enumerate(frequent)})


def _date(column: Dates, train: NDArray[np.int64]) -> Plain:
    learned = _moments(list(column.parts[train].T))
    fill, mean, sd = (list(x) for x in zip(*learned, strict=True))
    return {
        "name": column.name,
        "kind": "date",
        "fill": fill,
        "mean": mean,
        "sd": sd,
        **column.more,
    }
