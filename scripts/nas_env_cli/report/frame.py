"""Shared parts of charts: the card around a chart, axes, marks, and the legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nas_env.drawing.layout import text_width
from nas_env.markup import Content, Markup, element
from nas_env_cli.report.palette import REFERENCES, SERIES
from nas_env_cli.report.scales import Scale, numbers

WIDTH, HEIGHT = 380.0, 280.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 14.0, 12.0, 46.0
X = (LEFT, WIDTH - RIGHT)
Y = (HEIGHT - BOTTOM, TOP)
TICK, APART = 12.5, 5.0  # font size of the numbers on axes, and the minimum space between two


@dataclass(frozen=True)
class Series:
    """The name and style of one search in all charts of the page."""

    name: str
    number: int
    reference: bool = False  # random search beside an agent

    @property
    def style(self) -> str:
        """CSS class of the colour and dash."""
        if self.reference:
            return f"ref ref{self.number % REFERENCES}"
        return f"s{self.number % SERIES}"


def card(
    name: str,
    title: str,
    body: Content,
    about: str = "",
    legend: Content = None,
    wide: bool = False,
) -> Markup:
    """Return a chart with its heading, as a section of the page.

    Args:
        name: Id of the section.
        title: Heading.
        body: The chart.
        about: A sentence on how to read the chart.
        legend: The legend.
        wide: Whether the chart takes a whole row, and scrolls sideways on a narrow screen.
    """
    if wide:
        label = f"{title} (scrolls sideways)"
        body = element("div", body, class_="scroll", tabindex="0", role="group", aria_label=label)
    return element(
        "section",
        element("h3", title),
        element("p", about, class_="about") if about else None,
        legend,
        body,
        class_="card wide" if wide else "card",
        id=name,
    )


def missing(name: str, title: str, sentence: str) -> Markup:
    """Return the section in place of a chart that cannot be drawn, with the reason."""
    heading, why = element("h3", title), element("p", sentence, class_="missing")
    return element("section", heading, why, class_="card", id=name)


def picture(
    title: str, about: str, *content: Content, width: float = WIDTH, height: float = HEIGHT
) -> Markup:
    """Return an SVG with title and description; the arrow keys move between its marks."""
    return element(
        "svg",
        element("title", title),
        element("desc", about),
        content,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        class_="chart",
        role="group",
        tabindex="0",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        aria_label=f"{title}. Arrow keys move between its marks.",
    )


def mark(name: str, tip: str, *content: Content, drawing: str = "", **attributes: object) -> Markup:
    """Return a mark with a tooltip that may open a drawing."""
    return element(
        name,
        *content,
        data_tip=tip,
        data_drawing=drawing or None,
        aria_label=tip.replace("\n", ", "),
        tabindex="-1",
        role="button" if drawing else "img",
        **attributes,
    )


def area(x: float, y: float, width: float, height: float) -> dict[str, Any]:
    """Return the position and size attributes of a rectangle."""
    return {"x": x, "y": y, "width": width, "height": height}


def axes(x: Scale, y: Scale, x_label: str, y_label: str) -> list[Markup]:
    """Return the grid, numbers and labels of both axes."""
    parts = []
    up, along = y.ticks(), x.ticks()
    for value, text in zip(up, numbers(up), strict=True):
        at = y(value)
        parts.append(line(X[0], at, X[1], at, "grid"))
        parts.append(label(X[0] - 8, at + 4, text, "end"))
    free = -math.inf  # end of the previous number
    for value, text in zip(along, numbers(along), strict=True):
        at, half = x(value), text_width(text, TICK) / 2
        parts.append(line(at, Y[0], at, Y[0] + 5, "axis"))
        if at - half > free:
            parts.append(label(at, Y[0] + 18, text))
            free = at + half + APART
    parts.append(line(X[0], Y[0], X[1], Y[0], "axis"))
    parts.append(label((X[0] + X[1]) / 2, HEIGHT - 8, x_label, strong=True))
    middle = (Y[0] + Y[1]) / 2
    turned = f"rotate(-90 14 {middle:.0f})"
    parts.append(label(14, middle, y_label, strong=True, transform=turned))
    return parts


def line(x: float, y: float, u: float, v: float, kind: str) -> Markup:
    """Return a straight line."""
    return element("line", x1=x, y1=y, x2=u, y2=v, class_=kind)


def label(
    x: float, y: float, text: str, anchor: str = "middle", strong: bool = False, **more: object
) -> Markup:
    """Return a text."""
    kind = more.pop("class_", "label" if strong else "tick")
    return element("text", text, x=x, y=y, text_anchor=anchor, class_=kind, **more)


def polyline(points: Sequence[tuple[float, float]], kind: str) -> Markup:
    """Return a line through points."""
    words = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return element("polyline", points=words, class_=f"line {kind}")


def dot(
    x: float, y: float, series: Series, tip: str, drawing: str = "", size: float = 4.5
) -> Markup:
    """Return the mark of a series: circle, square, triangle or diamond."""
    shapes = (
        "M-1 0A1 1 0 1 0 1 0A1 1 0 1 0-1 0Z",
        "M-.9-.9H.9V.9H-.9Z",
        "M0-1.2L1.1.9H-1.1Z",
        "M0-1.3L1.3 0L0 1.3L-1.3 0Z",
    )
    shape = shapes[series.number % len(shapes)]
    place = f"translate({x:.1f} {y:.1f}) scale({size:g})"
    return mark("path", tip, drawing=drawing, d=shape, transform=place, class_=f"pt {series.style}")


def legend(series: Sequence[Series]) -> Markup:
    """Return the legend of the lines."""
    items = []
    for one in series:
        swatch = element(
            "svg",
            element("line", x1=1, y1=6, x2=27, y2=6, class_=f"line {one.style}"),
            width="28",
            height="12",
            aria_hidden="true",
        )
        items.append(element("li", swatch, one.name))
    return element("ul", items, class_="legend")
