"""The best networks of a run that were trained to convergence, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas_env.markup import Markup, element
from nas_env_cli.export.longer_table import TEXTS, BestTable

TITLE = "Networks trained longer"


def longer(name: str, data: Mapping[str, Any], run: str = "") -> Markup:
    """Return the table of the results of `nas-env retrain`.

    Args:
        name: Id of the card.
        data: Content of `retrained.json`.
        run: Name of the run; "" if the page has one run.
    """
    table = BestTable.of(data)
    title = f"{TITLE}: {run}" if run else TITLE
    return table_card(name, title, table.introduction, table.heads, table.rows, table.notes)


def table_card(
    name: str,
    title: str,
    introduction: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    notes: Sequence[str],
) -> Markup:
    """Return a card with an introduction, a table and notes.

    Args:
        name: Id of the card.
        title: Its heading.
        introduction: Text above the table.
        heads: Heads of the columns; the first `TEXTS` columns are text.
        rows: The cells.
        notes: Sentences below the table.
    """
    top = [element("th", x, class_=_kind(n), scope="col") for n, x in enumerate(heads)]
    lines = [element("tr", _cells(row)) for row in rows]
    body = element("table", element("thead", element("tr", top)), element("tbody", lines))
    label = f"{title} (scrolls sideways)"
    return element(
        "section",
        element("h3", title),
        element("p", introduction, class_="about"),
        element("div", body, class_="scroll", tabindex="0", role="group", aria_label=label),
        element("ul", [element("li", x) for x in notes], class_="verdicts"),
        class_="card wide",
        id=name,
    )


def _cells(row: Sequence[str]) -> list[Markup]:
    first, *others = row
    cells = [element("td", x, class_=_kind(n)) for n, x in enumerate(others, start=1)]
    return [element("th", first, scope="row"), *cells]


def _kind(column: int) -> str | None:
    return "number" if column >= TEXTS else None
