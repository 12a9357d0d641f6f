"""Shares of unique networks, failed networks and illegal actions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nas_env.markup import Content, Markup
from nas_env_cli.report.data import SearchData, new_trials
from nas_env_cli.report.frame import Series, area, card, label, legend, line, mark, picture
from nas_env_cli.report.scales import Scale

TITLE = "Unique, failed, illegal"
NAME = "shares"
LEFT, RIGHT, WIDTH, ROW, GAP = 16.0, 66.0, 380.0, 22.0, 34.0


def shares(searches: Sequence[tuple[Series, SearchData]]) -> Markup:
    """Return the chart of all searches."""
    scale = Scale(0.0, 1.0, LEFT, WIDTH - RIGHT)
    parts: list[Content] = []
    top = 4.0
    for title, measured in (
        ("Unique: networks new to the search", _unique),
        ("Failed, of the unique ones", _failed),
        ("Illegal actions", _illegal),
    ):
        parts.append(label(LEFT, top + 14, title, "start", strong=True))
        top += 22
        for series, search in searches:
            parts.append(_bar(scale, top, series, measured(search)))
            top += ROW
        top += GAP - ROW
    about = "Each bar is a share, in the colour of its search."
    drawn = picture(TITLE, about, parts, width=WIDTH, height=top)
    return card(NAME, TITLE, drawn, about, legend([series for series, _ in searches]))


def _unique(search: SearchData) -> tuple[float | None, str]:
    new, count = len(new_trials(search)), len(search["trials"])
    return new / count, f"{new} of {count} evaluations, the others are repeats"


def _failed(search: SearchData) -> tuple[float | None, str]:
    new = new_trials(search)
    kinds = Counter(x["outcome"] for x in new if not x["ok"])
    breakdown = ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in kinds.most_common())
    return sum(kinds.values()) / len(
        new
    ), f"{sum(kinds.values())} of {len(new)} networks\n{breakdown}".strip()


def _illegal(search: SearchData) -> tuple[float | None, str]:
    share = search["illegal_share"]
    if share is None:
        return None, "not recorded: the search has no summary yet"
    return share, f"{100 * share:.2f} % of the actions"


def _bar(scale: Scale, top: float, series: Series, measured: tuple[float | None, str]) -> Markup:
    share, words = measured
    if share is None:
        return label(LEFT, top + 14, words, "start")
    tip = f"{series.name}\n{words}"
    kind, wide = f"bar {series.style}", max(2.0, scale(share) - LEFT)
    if not share:  # nothing to see, but the place still has a tooltip
        kind, wide = "bar none", scale(1.0) - LEFT
    bar = mark("rect", tip, class_=kind, rx=2, **area(LEFT, top + 3, wide, ROW - 8))
    track = line(LEFT, top + ROW - 2, scale(1.0), top + ROW - 2, "grid")
    text = label(scale(1.0) + 8, top + 15, f"{100 * share:.1f} %", "start")
    return Markup(track + bar + text)
