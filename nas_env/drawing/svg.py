"""SVG drawings of networks, suitable for papers: one colour per kind of layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nas_env.architecture import Architecture, Scalar
from nas_env.drawing.layout import ROUND, SIZE, SMALL, Arranged, Box, Point, segments
from nas_env.drawing.sheet import FAINT, FILLS, INK, LINE, LINE_HEIGHT, MARGIN, lay_out
from nas_env.markup import Markup, element
from nas_env.tasks.base import TaskSpec

FACE = "Helvetica, Arial, 'Liberation Sans', sans-serif"


def draw_svg(
    architecture: Architecture,
    spec: TaskSpec,
    title: str = "",
    complete: bool = True,
    training: Mapping[str, Scalar] | None = None,
    name: str = "",
) -> Markup:
    """Return a drawing of a network: its layers from top to bottom, and its cells next to them.

    Args:
        architecture: The layers.
        spec: The task.
        title: Title of the drawing.
        complete: Whether to add the classifier.
        training: Settings of the recipe, shown under the title.
        name: Suffix of the element ids, needed if a page has several drawings.
    """
    sheet = lay_out(architecture, spec, title, complete, training)
    parts = _heading(sheet.lines)
    parts += [_panel(panel, left, sheet.top, f"arrow{name}") for panel, left in sheet.panels]
    width, height = sheet.width, sheet.height
    return element(
        "svg",
        element("title", title or "network"),
        element("defs", _arrow_head(f"arrow{name}")),
        element("rect", class_="d-paper", width=width, height=height, fill="#ffffff"),
        parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        role="img",
        class_="drawing",
        font_family=FACE,
    )


def save_svg(drawing: Markup, path: Path) -> None:
    """Write a drawing to a file; the same network gives the same bytes."""
    path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{drawing}\n', encoding="utf-8")


def _heading(lines: Sequence[str]) -> list[Markup]:
    return [
        element(
            "text",
            line,
            class_="d-faint" if number else "d-ink",
            x=MARGIN,
            y=MARGIN + LINE_HEIGHT * number + 10,
            font_size=SMALL if number else SIZE + 1,
            font_weight=None if number else "bold",
            fill=FAINT if number else INK,
        )
        for number, line in enumerate(lines)
    ]


def _panel(panel: Arranged, left: float, top: float, arrow: str) -> Markup:
    title = element(
        "text",
        panel.title,
        class_="d-faint",
        x=panel.width / 2,
        y=-11.0,
        text_anchor="middle",
        font_size=SIZE,
        font_style="italic",
        fill=FAINT,
    )
    arrows = [_arrow(points, arrow) for points in panel.arrows]
    boxes = [_box(box) for box in panel.boxes]
    shift = f"translate({left:.1f} {top:.1f})"
    return element("g", title if panel.title else None, arrows, boxes, transform=shift)


def _arrow(points: Sequence[Point], head: str) -> Markup:
    words = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for piece in segments(points):
        letter = "L" if len(piece) == 1 else "C"
        words.append(letter + " ".join(f"{x:.1f} {y:.1f}" for x, y in piece))
    return element(
        "path",
        class_="d-line",
        d="".join(words),
        fill="none",
        stroke=LINE,
        stroke_width=1.3,
        marker_end=f"url(#{head})",
    )


def _arrow_head(name: str) -> Markup:
    head = element("path", class_="d-head", d="M0 0L7 3.5L0 7z", fill=LINE)
    return element(
        "marker",
        head,
        id=name,
        viewBox="0 0 7 7",
        refX="2",
        refY="3.5",
        markerWidth="7",
        markerHeight="7",
        markerUnits="userSpaceOnUse",
        orient="auto",
    )


def _box(box: Box) -> Markup:
    node, round_ = box.node, box.node.label == "+"
    outline = element(
        "rect",
        class_=f"d-{node.kind}",
        x=box.x - box.width / 2,
        y=box.y - box.height / 2,
        width=box.width,
        height=box.height,
        rx=ROUND / 2 if round_ else 7.0,
        fill=FILLS[node.kind],
        stroke=LINE,
        stroke_width=1.0,
    )
    top = box.y - box.height / 2
    lines = [
        _words(line, box.x, box.y + 4.5 if round_ else top + 19 + 18.0 * number, SIZE, True)
        for number, line in enumerate(node.lines)
    ]
    under = top + 17 + 18.0 * len(lines)
    detail = _words(node.detail, box.x, under, SMALL, False) if node.detail else None
    return element("g", outline, lines, detail)


def _words(text: str, x: float, y: float, size: float, strong: bool) -> Markup:
    return element(
        "text",
        text,
        class_="d-ink" if strong else "d-faint",
        x=x,
        y=y,
        text_anchor="middle",
        font_size=size,
        fill=INK if strong else FAINT,
    )
