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
    heads = [element("th", x, class_=_kind(n), scope="col") for n, x in enumerate(table.heads)]
    rows = [element("tr", _cells(row)) for row in table.rows]
    body = element("table", element("thead", element("tr", heads)), element("tbody", rows))
    title = f"{TITLE}: {run}" if run else TITLE
    label = f"{title} (scrolls sideways)"
    return element(
        "section",
        element("h3", title),
        element("p", table.introduction, class_="about"),
        element("div", body, class_="scroll", tabindex="0", role="group", aria_label=label),
        element("ul", [element("li", x) for x in table.notes], class_="verdicts"),
        class_="card wide",
        id=name,
    )


def _cells(row: Sequence[str]) -> list[Markup]:
    first, *others = row
    cells = [element("td", x, class_=_kind(n)) for n, x in enumerate(others, start=1)]
    return [element("th", first, scope="row"), *cells]


def _kind(column: int) -> str | None:
    return "number" if column >= TEXTS else None
