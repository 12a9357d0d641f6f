"""The Q-table, or what was decided, by depth and by decision."""

from __future__ import annotations

from agents.report.decisions import Heat
from agents.report.frame import area, card, label, mark, picture
from agents.report.palette import opacity
from nas_env.markup import Content, Markup, element

CELL, DOWN, LEFT, TOP = 40.0, 26.0, 64.0, 12.0
LONGEST = 22  # letters of a label
ROWS = 60


def heat(name: str, table: Heat) -> Markup:
    """Return the chart of a table; its first rows where there are very many."""
    rows = table.rows[:ROWS]
    known = [x for row in table.values[:ROWS] for x in row if x is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    is_share = not table.what.startswith("Q")
    low = 0.0 if is_share else low
    cells: list[Content] = []
    for r, row in enumerate(rows):
        every = -(-len(rows) // 20)
        if r % every == 0:
            cells.append(label(LEFT - 8, TOP + DOWN * r + DOWN / 2 + 4, row, "end"))
        cells += [_cell(table, r, c, low, high) for c in range(len(table.columns))]
    bottom = TOP + DOWN * len(rows)
    for c, column in enumerate(table.columns):
        x = LEFT + CELL * (c + 0.5)
        turned = f"rotate(-45 {x + 4:.0f} {bottom + 14:.0f})"
        cells.append(label(x + 4, bottom + 14, _short(column), "end", transform=turned))
    middle = (TOP + bottom) / 2
    turned = f"rotate(-90 14 {middle:.0f})"
    cells.append(label(14, middle, table.rows_title, strong=True, transform=turned))
    longest = max(len(_short(x)) for x in table.columns)
    height = bottom + 34 + longest * 4.6
    width = LEFT + CELL * len(table.columns) + 16
    title, about = _words(table, low, high, len(rows))
    body = picture(title, about, cells, width=width, height=height)
    return card(name, title, body, about, _key(low, high, is_share), wide=True)


def _words(table: Heat, low: float, high: float, shown: int) -> tuple[str, str]:
    if table.what.startswith("Q"):
        title = "Q-table by depth"
        about = f"The stronger, the higher: from {low:.4f} to {high:.4f}; empty: never visited."
        about += " Framed: the greedy path, as far as it was seen." if table.path else ""
    else:
        title = "Policy as it acted: decisions of the last quarter"
        about = (
            "Share of the networks of the last quarter of the search that took a decision at a "
            "depth; empty: none did. The agent has no Q-table; this is what it did."
        )
    if shown < len(table.rows):
        about += f" The first {shown} of {len(table.rows)} rows."
    return title, about


def _cell(table: Heat, r: int, c: int, low: float, high: float) -> Markup:
    value = table.values[r][c]
    share = None if value is None else (value - low) / ((high - low) or 1.0)
    place = area(LEFT + CELL * c, TOP + DOWN * r, CELL - 2, DOWN - 2)
    tip = f"{table.rows_title} {table.rows[r]}: {table.columns[c]}\n{table.words[r][c]}"
    on_path = " path" if (r, c) in table.path else ""
    kind = "cell empty" if share is None else "cell heat"
    shade = None if share is None else opacity(share)
    return mark("rect", tip, class_=kind + on_path, rx=3, fill_opacity=shade, **place)


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
