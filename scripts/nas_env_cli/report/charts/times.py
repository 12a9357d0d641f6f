"""The time that each search spent in its parts."""

from __future__ import annotations

from collections.abc import Sequence

from nas_env.markup import Content, Markup, element
from nas_env_cli.report.data import SearchData
from nas_env_cli.report.frame import Series, area, card, label, mark, missing, picture
from nas_env_cli.report.scales import Scale

TITLE = "Where the time went"
NAME = "times"
LEFT, WIDTH, ROW = 16.0, 380.0, 52.0
NARROWEST = 4.0  # minimum width of a part, so that it can be pointed at
PARTS = {
    "evaluations": "training and measuring networks",
    "environment": "building them, store, waiting",
    "agent": "agent: deciding and learning",
}


def times(searches: Sequence[tuple[Series, SearchData]]) -> Markup:
    """Return the chart of all searches that have recorded their times."""
    recorded = [
        (series, seconds) for series, x in searches if (seconds := x["wall_seconds"]) is not None
    ]
    if not recorded:
        spent = ", ".join(
            f"{series.name} {sum(t['evaluation_seconds'] for t in x['trials'] if t['new']):.1f} s"
            for series, x in searches
        )
        why = "Times are recorded when a search ends. Evaluations alone took: "
        return missing(NAME, TITLE, f"{why}{spent}.")
    scale = Scale(0.0, max(seconds["total"] for _, seconds in recorded) or 1.0, LEFT, WIDTH - LEFT)
    content: list[Content] = []
    for number, (series, seconds) in enumerate(recorded):
        top = ROW * number
        content.append(
            label(LEFT, top + 14, f"{series.name}: {seconds['total']:.1f} s", "start", True)
        )
        at = LEFT
        for place, (key, words) in enumerate(PARTS.items()):
            wide = max(NARROWEST, scale(seconds[key]) - LEFT)
            share = seconds[key] / (seconds["total"] or 1.0)
            tip = f"{series.name}\n{words}\n{seconds[key]:.2f} s, {100 * share:.1f} %"
            box = area(at, top + 22, wide - 1, 18)
            content.append(mark("rect", tip, class_=f"bar time{place}", **box))
            at += wide
    left_out = [series.name for series, x in searches if x["wall_seconds"] is None]
    about = "Wall-clock seconds of each search. Evaluations from the store take no time."
    about += f" Not recorded: {', '.join(left_out)}." if left_out else ""
    drawn = picture(TITLE, about, content, width=WIDTH, height=ROW * len(recorded))
    return card(NAME, TITLE, drawn, about, _legend())


def _legend() -> Markup:
    items = [
        element(
            "li",
            element(
                "svg",
                element("rect", class_=f"bar time{place}", width="14", height="12"),
                width="14",
                height="12",
                aria_hidden="true",
            ),
            words,
        )
        for place, words in enumerate(PARTS.values())
    ]
    return element("ul", items, class_="legend")
