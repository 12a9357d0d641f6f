"""Encodes one row of a table, using only the standard library.

The exporter copies the source of these functions into exported files. So this module does not
import nas_env, and the functions use no names except each other, `Any` and `MISSING`.
"""

from typing import Any

MISSING = (  # the words that pandas.read_csv reads as a missing value
    *("", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "<NA>", "NULL", "null", "None"),
    *("NaN", "nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)


def encode_row(columns: dict[str, Any], place: int, row: dict[Any, Any]) -> list[float]:
    """Return a row as numbers; `place` is the row number for messages."""
    row, encoded = {str(key): value for key, value in row.items()}, list[float]()
    for name in columns:
        if name not in row:
            needed = ", ".join(columns)
            raise ValueError(f"row {place} lacks the column {name!r}; needed: {needed}")
        try:
            encoded += encode_value(columns[name], row[name])
        except ValueError as error:
            raise ValueError(f"row {place}, column {name!r}: {error}") from None
    return encoded


def encode_value(column: dict[str, Any], value: Any) -> list[float]:
    """Return a standardised number, the parts of a date, or the one-hot encoding of a category.

    Rare categories share the last position.
    """
    categories = column.get("categories", [])
    words = [*column.get("missing", ()), *(MISSING if column.get("default_missing", True) else "")]
    missing = is_missing(value, [*categories, *column.get("not_missing", ())], ["", *words])
    if "date" in column:
        parts = column["fill"] if missing else date_parts(value, column["date"])
        learned = zip(parts, column["mean"], column["sd"], strict=True)
        return [(part - mean) / sd for part, mean, sd in learned]
    if "mean" in column:
        x = number(column["fill"] if missing else value, column.get("format"))
        x = column["fill"] if x in column.get("missing_numbers", ()) else x
        x = min(max(x, column.get("low", x)), column.get("high", x))
        return [(x - column["mean"]) / column["sd"]]
    value = column["fill"] if missing else value
    places = [float(str(value) == category) for category in categories]
    return [*places, 1 - max(places)] if column["rare"] else places


def is_missing(value: Any, known: list[str], words: Any = MISSING) -> bool:
    """Return whether a value is missing; a known category is never missing."""
    if isinstance(value, str):
        return value.strip() in words and value not in known
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)


def number(value: Any, style: dict[str, str] | None = None) -> float:
    """Return a value as a number; True and False, also as text, become 1 and 0.

    A style describes the format of text, such as 1.234,50 €; plain numbers are always accepted.
    """
    word = str(value).strip()
    if word.lower() in ("true", "false"):
        return float(word.lower() == "true")
    plain = None
    if style is not None and isinstance(value, str):
        plain = plain_number(word, style, number_pattern(style))
    try:
        parsed = float(value if plain is None else plain)
    except (TypeError, ValueError):
        parsed = float("nan")
    if abs(parsed) < float("inf"):
        return parsed
    try:
        hint = f"; if this is a decimal comma, write {float(word.replace(',', '.'))}"
    except ValueError:
        hint = ""
    raise ValueError(f"{value!r} is not a number{hint if ',' in word else ''}")


def plain_number(text: str, style: dict[str, str], pattern: str) -> str | None:
    """Return a formatted number as plain text, such as -1234.5 for (1.234,5 €), or None.

    `pattern` is `number_pattern(style)`.
    """
    import re

    text = " ".join(text.split()).replace("\u2212", "-").replace("\u2019", "'")
    match = re.fullmatch(pattern, text)
    if match is None:
        return None
    opened, first, second, whole, fraction, exponent, third, fourth, closed = match.groups()
    signs = [sign for sign in (opened, first, second, third, fourth) if sign]
    if len(signs) > 1 or bool(opened) != bool(closed):
        return None
    whole = (whole or "0").replace(style["thousands"] or ",", "")
    minus = "-" if signs and signs[0] != "+" else ""
    return f"{minus}{whole}.{fraction or '0'}{exponent or ''}"


def number_pattern(style: dict[str, str]) -> str:
    """Return the regular expression of the numbers of a style.

    A style has a "prefix" and a "suffix", which may be empty, the "decimal" separator, and the
    "thousands" separator, which may be empty. A minus sign may stand before or after the number and
    its prefix or suffix, and brackets are a minus sign.
    """
    import re

    before, after, mark, group = (
        re.escape(style[x]) for x in ("prefix", "suffix", "decimal", "thousands")
    )
    whole = r"\d+"
    if group:
        lakh = rf"[1-9]\d?(?:{group}\d\d)*{group}\d{{3}}|" if group == "," else ""  # 12,34,567
        whole = rf"[1-9]\d{{0,2}}(?:{group}\d{{3}})+|{lakh}\d+"
    digits = rf"(?={mark}?\d)({whole})?(?:{mark}(\d*))?([eE][-+]?\d+)?"
    return rf"(\(?) ?([-+]?) ?{before} ?([-+]?) ?{digits} ?(-?) ?{after} ?(-?) ?(\)?)"


def date_parts(value: Any, form: str) -> list[float]:
    """Return year, month, day and weekday (Monday is 0) of a date, which may be text.

    `form` is "iso" or the format of `datetime.strptime`. A time after the date is ignored.
    """
    from datetime import datetime

    if not hasattr(value, "weekday"):
        text = str(value).strip()
        try:
            day = text.replace("T", " ").split(" ")[0]
            value = datetime.fromisoformat(day) if form == "iso" else datetime.strptime(day, form)
        except ValueError:
            raise ValueError(f"{text!r} is not a date like the others of the column") from None
    return [float(x) for x in (value.year, value.month, value.day, value.weekday())]
