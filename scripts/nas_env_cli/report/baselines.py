"""The models of scikit-learn that a search is compared with, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas_env.markup import Markup
from nas_env_cli.metric_format import MetricFormat
from nas_env_cli.report.longer import table_card
from nas_env_cli.search import sklearn_table

TITLE = "Models of scikit-learn"


def baselines(name: str, data: Mapping[str, Any], fmt: MetricFormat, run: str = "") -> Markup:
    """Return the table of the models of scikit-learn.

    Args:
        name: Id of the card.
        data: The entry "sklearn" of `summary.json`.
        fmt: Format of the task's metric.
        run: Name of the run; "" if the page has one run.
    """
    title = f"{TITLE}: {run}" if run else TITLE
    heads, rows = sklearn_table.heads(fmt), sklearn_table.rows(data, fmt)
    return table_card(name, title, sklearn_table.INTRODUCTION, heads, rows, data["notes"])
