"""A heat map by depth and decision: the Q-table, or the shares of decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nas_env.markup import Content, Markup, element
from nas_env_cli.report.decisions import HeatTable
from nas_env_cli.report.frame import area, card, label, mark, picture
from nas_env_cli.report.palette import opacity

CELL, DOWN, TOP, LETTER = 40.0, 26.0, 12.0, 7.0
WIDEST = 1040.0
LONGEST = 22  # characters of a label
ROWS = 60


def heat(name: str, table: HeatTable) -> Markup:
    """Return the chart of a table, limited to its first `ROWS` rows."""
    rows = table.rows[:ROWS]
    values = [x for row in table.values[:ROWS] for x in row if x is not None]
    low, high = min(values, default=0.0), max(values, default=1.0)
    is_share = not table.what.startswith("Q")
    low = 0.0 if is_share else low
    wide = min(CELL, (WIDEST - 100) / len(table.columns))
    slanted = [4.9 * len(_short(x)) - wide * (c + 0.5) for c, x in enumerate(table.columns)]
    left = max(34 + LETTER * max(map(len, rows)), *slanted)
    bottom = TOP + DOWN * len(rows)
    parts = _labels(table, rows, left, wide)
    for r in range(len(rows)):
        for c in range(len(table.columns)):
            box = area(left + wide * c, TOP + DOWN * r, wide - 2, DOWN - 2)
            parts.append(_cell(table, r, c, (low, high), box))
    longest = max(len(_short(x)) for x in table.columns)
    title, about = _words(table, low, high, len(rows))
    size = {"width": left + wide * len(table.columns) + 16, "height": bottom + 34 + longest * 4.6}
    body = picture(title, about, parts, **size)
    return card(name, title, body, about, _key(low, high, is_share), wide=True)


def _labels(table: HeatTable, rows: Sequence[str], left: float, wide: float) -> list[Content]:
    """Return the labels of rows and columns, and the title of the rows."""
    parts: list[Content] = []
    for r, row in enumerate(rows):
        if r % -(-len(rows) // 20) == 0:
            parts.append(label(left - 8, TOP + DOWN * r + DOWN / 2 + 4, row, "end"))
    bottom = TOP + DOWN * len(rows)
    for c, column in enumerate(table.columns):
        x = left + wide * (c + 0.5) + 4
        turned = f"rotate(-45 {x:.0f} {bottom + 14:.0f})"
        parts.append(label(x, bottom + 14, _short(column), "end", transform=turned))
    middle = (TOP + bottom) / 2
    turned = f"rotate(-90 14 {middle:.0f})"
    return [*parts, label(14, middle, table.rows_title, strong=True, transform=turned)]


def _words(table: HeatTable, low: float, high: float, row_count: int) -> tuple[str, str]:
    if table.what.startswith("Q"):
        title = "Q-table by depth" if table.rows_title.startswith("decisions") else "Q-table"
        about = f"Stronger colour: higher value, {low:.4f} to {high:.4f}. Empty: never visited."
        about += " Framed: the greedy path through visited states." if table.path else ""
    else:
        title = "Decisions in the last quarter"
        about = (
            "Share of the networks in the last quarter of the search that took a decision at a "
            "depth. Empty: never taken. The agent has no Q-table; the chart shows its decisions."
        )
    if row_count < len(table.rows):
        about += f" The first {row_count} of {len(table.rows)} rows."
    return title, about


def _cell(
    table: HeatTable, r: int, c: int, span: tuple[float, float], box: dict[str, Any]
) -> Markup:
    value = table.values[r][c]
    share = None if value is None else (value - span[0]) / ((span[1] - span[0]) or 1.0)
    tip = f"{table.rows_title} {table.rows[r]}: {table.columns[c]}\n{table.words[r][c]}"
    on_path = " path" if (r, c) in table.path else ""
    kind = "cell empty" if share is None else "cell heat"
    shade = None if share is None else opacity(share)
    return mark("rect", tip, class_=kind + on_path, rx=3, fill_opacity=shade, **box)


def _key(low: float, high: float, is_share: bool) -> Markup:
    """Return the legend: five shades between the lowest and the highest value."""
    shades = [
        element(
            "rect", x=18 * n, y=0, width=16, height=12, class_="heat", fill_opacity=opacity(n / 4)
        )
        for n in range(5)
    ]
    bar = element("svg", shades, width="90", height="12", aria_hidden="true")
    ends = [f"{100 * x:.0f} %" if is_share else f"{x:.3f}" for x in (low, high)]
    return element("p", ends[0], bar, ends[1], class_="key")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}\u2026"
