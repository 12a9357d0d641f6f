"""Calendar parts of the dates of a column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nas_env.errors import InvalidDataError
from nas_env.sources.encoding import date_parts

FORMS = (
    *("iso", "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y"),
    *("%m-%d-%Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%Y", "%d-%b-%y", "%Y%m%d"),
)
PARTS = ("year", "month", "day", "weekday")


def date_form(source: str, name: str, values: Sequence[Any], rows: Sequence[int]) -> str:
    """Return the format of dates, "iso" or that of `datetime.strptime`.

    Args:
        source: Description of the data, for messages.
        name: Name of the column.
        values: The different values, without missing ones.
        rows: First row of each value.

    Raises:
        InvalidDataError: A value is not a date, or day and month cannot be told apart.
    """
    fitting = {form: parts for form in FORMS if (parts := _all_parts(values, form)) is not None}
    if not fitting:
        best = max(FORMS, key=lambda form: sum(_fits(x, form) for x in values))
        wrong = next(i for i, x in enumerate(values) if not _fits(x, best))
        raise InvalidDataError(
            f"{source}: row {rows[wrong] + 1} has {values[wrong]} in the column {name!r}, which is "
            "not a date like the others. Write all dates as 2024-03-31, or leave it empty."
        )
    form, parts = next(iter(fitting.items()))
    if any(other != parts for other in fitting.values()):
        raise InvalidDataError(
            f"{source}: column {name!r} has dates such as {values[0]}, in which day and month "
            "cannot be told apart. Write all dates as 2024-03-31."
        )
    return form


def _all_parts(values: Sequence[Any], form: str) -> list[list[float]] | None:
    parts = []
    for value in values:
        try:
            parts.append(date_parts(value, form))
        except ValueError:
            return None
    return parts


def _fits(value: Any, form: str) -> bool:
    return _all_parts([value], form) is not None
