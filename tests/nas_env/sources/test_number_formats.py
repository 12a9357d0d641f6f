"""Numbers written with symbols and separators are read as numbers, and this is said."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas
import pytest

from nas_env.errors import InvalidDataError
from nas_env.sources import DataSet, ReadOptions, preprocessing, read_data
from nas_env.sources.number_format import examine

ROWS = 120
SYMBOLS = ("%", "$", "€", "£", "¥", "₹", "CHF", "USD", "kr", "kg", "km", "ms", "°C", "m²", "kWh")
POSITIONS = ("{symbol}{number}", "{symbol} {number}", "{number}{symbol}", "{number} {symbol}")
LOCALES = {  # thousands separator, decimal separator
    "1,234.5": (",", "."),
    "1.234,5": (".", ","),
    "1 234,5": (" ", ","),
    "1\u202f234,5": ("\u202f", ","),
    "1\u00a0234.5": ("\u00a0", "."),
    "1'234.5": ("'", "."),
    "1\u2019234,5": ("\u2019", ","),
    "1234,5": ("", ","),
}
NEGATIVE = {
    "minus": "-{}",
    "minus sign": "\u2212{}",
    "brackets": "({})",
    "trailing": "{}-",
}
WORDS = ("", "?", " ? ", "unknown", "-", "n/a", "none")
SHARES = (0, 0.02, 0.1, 0.3)


def amounts(rows: int = ROWS) -> np.ndarray:
    """Return numbers of several sizes and both signs, all different."""
    rng = np.random.default_rng(1)
    numbers = rng.choice(np.arange(-90_000, 9_000_000), rows, replace=False) / 100
    numbers[:3] = 1234.56, -1_234_567.8, 7.5
    return numbers


def written(number: float, thousands: str, decimal: str) -> str:
    """Return the absolute value with two decimals."""
    text = f"{abs(number):,.2f}"
    return text.translate({ord(","): thousands, ord("."): decimal})


def formatted(
    numbers: np.ndarray, symbol: str, position: str, locale: str, negative: str
) -> list[str]:
    texts = []
    for number in numbers:
        text = position.format(symbol=symbol, number=written(number, *LOCALES[locale]))
        texts.append(NEGATIVE[negative].format(text) if number < 0 else text)
    return texts


def with_words(texts: list[Any], word: str, share: float) -> tuple[list[Any], np.ndarray]:
    """Return the texts with a word in some rows, and where."""
    absent = np.zeros(len(texts), dtype=bool)
    absent[10 : 10 + round(share * len(texts))] = True
    return [word if x else text for x, text in zip(absent, texts, strict=True)], absent


def data_of(column: list[Any], **settings: Any) -> tuple[DataSet, pandas.DataFrame]:
    other = np.random.default_rng(2).normal(size=len(column))
    table = pandas.DataFrame({"x": column, "other": other, "y": ["a", "b"] * (len(column) // 2)})
    return read_data(table, ReadOptions(**settings)), table


def said(data: DataSet, name: str = "x") -> list[str]:
    return [note for note in data.notes if f"{name!r}" in note and not note.startswith("Numbers: ")]


@pytest.mark.parametrize(("symbol", "position"), list(itertools.product(SYMBOLS, POSITIONS)))
def test_a_column_of_formatted_numbers_is_numbers_and_this_is_said(
    symbol: str, position: str
) -> None:
    numbers, start = amounts(), 7 * SYMBOLS.index(symbol) + POSITIONS.index(position)
    kinds = itertools.product(LOCALES, NEGATIVE, WORDS, SHARES)
    for locale, negative, word, share in itertools.islice(kinds, start, None, 97):
        texts = formatted(numbers, symbol, position, locale, negative)
        texts, absent = with_words(texts, word, share)
        data, table = data_of(texts)
        plain, _ = data_of(np.where(absent, np.nan, numbers).tolist())
        np.testing.assert_array_equal(data.x, plain.x)
        assert data.steps[0]["columns"][0]["kind"] == "numeric"
        assert any("is read as" in note for note in said(data))
        if word and share:
            missing = f"{word!r} counts as missing ({absent.sum()} rows)"
            assert any(missing in note for note in said(data))
        again = preprocessing.apply(data.steps, {name: table[name] for name in table})
        np.testing.assert_array_equal(again, data.x)


@pytest.mark.parametrize(("symbol", "locale"), list(itertools.product(SYMBOLS, LOCALES)))
def test_a_target_of_formatted_numbers_is_numbers_and_this_is_said(
    symbol: str, locale: str
) -> None:
    numbers = amounts()
    position = POSITIONS[len(locale + symbol) % 4]
    for negative in NEGATIVE:
        texts = formatted(numbers, symbol, position, locale, negative)
        table = pandas.DataFrame({"x": np.arange(ROWS) ** 0.5, "y": texts})
        data = read_data(table)
        assert data.problem == "regression"
        np.testing.assert_array_equal(data.y, np.round(numbers, 2))
        assert any("is read as" in note for note in said(data, "y"))


@pytest.mark.parametrize(("word", "share"), list(itertools.product(WORDS, SHARES[1:])))
def test_a_missing_word_in_a_target_of_numbers_is_refused(word: str, share: float) -> None:
    texts, absent = with_words([f"${x:.2f}" for x in amounts()], word, share)
    table = pandas.DataFrame({"x": np.arange(ROWS) ** 0.5, "y": texts})
    message = rf"row 11 has no value in the target column 'y' \({absent.sum()} rows.*Fill it"
    with pytest.raises(InvalidDataError, match=message):
        read_data(table)


@pytest.mark.parametrize(("word", "share"), list(itertools.product(WORDS, SHARES[1:])))
def test_a_missing_word_among_plain_numbers_is_missing(word: str, share: float) -> None:
    numbers = amounts()
    texts, absent = with_words(numbers.tolist(), word, share)
    data, table = data_of(texts)
    plain, _ = data_of(np.where(absent, np.nan, numbers).tolist())
    np.testing.assert_array_equal(data.x, plain.x)
    again = preprocessing.apply(data.steps, {name: table[name] for name in table})
    np.testing.assert_array_equal(again, data.x)
    assert said(data) == [
        f"Column 'x' holds numbers: {word!r} counts as missing ({absent.sum()} rows)."
    ]


DOUBTFUL = {  # values that are repeated, and what the message names
    "thousands or decimals": (["950", "1,234", "12,345"], "If this is a decimal comma, write"),
    "with a symbol": (["$950", "$1,234"], "If this is a decimal comma, write 1.234"),
    "points": (["950 €", "1.234 €"], "If this is a decimal point, write 1.234 everywhere, or 1234"),
    "units": (["5 kg", "300 g", "7 kg"], "300 g in the column 'x', but another has 5 kg"),
    "one without": (["5 kg", "300", "7 kg"], "300 in the column 'x', but another has 5 kg"),
    "factors": (["1.2M", "300K"], "300K in the column 'x', but another has 1.2M"),
    "separators": (["1,234.5", "1.234,5"], "1.234,5 in the column 'x', but another has 1,234.5"),
    "bounds": (["5.5", "<1.0", "7", "8.25"], "<1.0 in the column 'x', which is a bound, not"),
    "upper bounds": (["5", "80+", "7", "8"], r"80\+ in the column 'x', which is a bound, not"),
    "mistake": (["$5"] * 19 + ["tall"], r"tall in the column 'x', of which 95.0 % are numbers"),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_numbers_that_are_not_certain_are_refused_with_the_remedy(case: str) -> None:
    values, message = DOUBTFUL[case]
    column = [values[i % len(values)] for i in range(ROWS)]
    with pytest.raises(InvalidDataError, match=message) as refused:
        data_of(column)
    assert "rite" in str(refused.value) or "Correct it" in str(refused.value)
    data, _ = data_of(column, columns={"x": "category"})
    assert data.steps[0]["columns"][1]["kind"] == "categorical"


@pytest.mark.parametrize("case", ["bounds", "with a symbol", "units", "mistake", "separators"])
def test_targets_that_are_not_certain_are_refused_with_the_remedy(case: str) -> None:
    values, message = DOUBTFUL[case]
    column = [values[i % len(values)] for i in range(ROWS)]
    table = pandas.DataFrame({"other": np.arange(ROWS) ** 0.5, "x": column})
    with pytest.raises(InvalidDataError, match=message):
        read_data(table, ReadOptions(target="x", problem="regression"))


CATEGORIES = (
    *(["A1", "A2", "B1"], ["10-20", "20-30", "30-40"], ["1.2.3", "1.10.2"], ["<=50K", ">50K"]),
    *(["01234", "90210", "10001"], ["S", "M", "L"], ["?", "yes", "no"], ["day 01", "day 02"]),
    *(["1a", "1b", "2a"], ["2nd", "1st", "3rd"], ["10:30", "11:00"], ["192.168.1.1", "10.0.0.1"]),
    *(["none", "few", "many"], ["3-door", "5-door"], ["COVID-19", "H1N1"], ["1/2", "3/4"]),
)


@pytest.mark.parametrize("values", CATEGORIES, ids=str)
def test_real_categories_stay_categories(values: list[str]) -> None:
    data, _ = data_of([values[i % len(values)] for i in range(ROWS)])
    column = data.steps[0]["columns"][1]
    assert (column["kind"], column["categories"]) == ("categorical", sorted(values))


@pytest.mark.parametrize("values", [["2", "4", "more"], ["1A", "1B", "2A"], ["3 dogs", "5 dogs"]])
def test_text_with_many_numbers_is_never_a_category_without_a_word(values: list[str]) -> None:
    data, _ = data_of([values[i % len(values)] for i in range(ROWS)])
    assert data.steps[0]["columns"][1]["kind"] == "categorical"
    assert any(note.startswith("Column 'x' is read as text, although") for note in said(data))


def test_a_unit_that_is_not_known_is_read_if_the_column_is_set_to_be_numbers() -> None:
    column = [f"{i % 7} dogs" for i in range(ROWS)]
    data, _ = data_of(column, columns={"x": "number"})
    plain, _ = data_of([i % 7 for i in range(ROWS)])
    np.testing.assert_array_equal(data.x, plain.x)


def test_few_formatted_targets_are_classes_and_this_is_said() -> None:
    table = pandas.DataFrame({"x": np.arange(ROWS) ** 0.5, "y": ["5%", "10%", "20%"] * (ROWS // 3)})
    data = read_data(table)
    assert data.classes == ("10%", "20%", "5%")
    assert any(
        note.startswith("Column 'y' is read as text, although 100.0 %") for note in data.notes
    )
    numbers = read_data(table, ReadOptions(problem="regression"))
    np.testing.assert_array_equal(numbers.y, [5.0, 10.0, 20.0] * (ROWS // 3))


def test_separators_are_those_of_the_other_columns() -> None:
    certain = [f"{x:,.2f}" for x in amounts()]
    doubtful = [f"{x:,}" for x in range(900, 900 + ROWS)]
    table = pandas.DataFrame({"x": doubtful, "z": certain, "y": ["a", "b"] * (ROWS // 2)})
    expected = table.assign(x=np.arange(900.0, 900 + ROWS), z=np.round(amounts(), 2))
    np.testing.assert_array_equal(read_data(table).x, read_data(expected).x)
    commas = table.apply(lambda x: x.str.translate({44: ".", 46: ","}))
    np.testing.assert_array_equal(read_data(commas).x, read_data(expected).x)


def test_points_between_thousands_are_found_where_other_columns_have_decimal_commas(
    tmp_path: Any,
) -> None:
    whole = np.arange(900, 900 + ROWS)
    table = pandas.DataFrame(
        {"x": [f"{x:,}".replace(",", ".") for x in whole], "z": [f"{x / 4:.2f}" for x in whole]}
    )
    table["z"] = table["z"].str.replace(".", ",")
    table["y"] = ["a", "b"] * (ROWS // 2)
    table.to_csv(tmp_path / "mine.csv", sep=";", index=False)
    expected = table.assign(x=whole + 0.0, z=whole / 4)
    np.testing.assert_array_equal(read_data(tmp_path / "mine.csv").x, read_data(expected).x)


def test_examples_from_other_countries_are_read() -> None:
    cases = {
        "Rs.12,34,567.5": 1_234_567.5,
        "R$ 1.234,50": 1234.5,
        "(£12.5)": -12.5,
        "-$5.25": -5.25,
        "$-5.25": -5.25,
        "5,25 €-": -5.25,
        "1.5e3 kg": 1500.0,
        ".50%": 0.5,
    }
    for text, number in cases.items():
        (form,) = examine({text: 1}).formats
        assert form.number(text) == number


@pytest.mark.parametrize("text", ["--5", "(5", "5)", "1,23,45", "5%%", "-(5)", "1.2.3", "0,500.5"])
def test_what_is_no_number_in_any_format(text: str) -> None:
    assert examine({text: 1}).formats == ()
