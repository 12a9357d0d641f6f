"""Renders a complete or partial network as a table (text) or as a drawing (matplotlib)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Architecture, Scalar, Shape
from nas_env.drawing.layout import HEAD, SIZE, SMALL, Arranged, Box, Point, segments
from nas_env.drawing.sheet import FAINT, FILLS, INK, LINE, LINE_HEIGHT, MARGIN, lay_out
from nas_env.extras import require
from nas_env.layers import layer_type
from nas_env.network import PlacedLayer, place
from nas_env.tasks.base import TaskSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 100
POINTS = 72 / DPI  # of a pixel


@dataclass(frozen=True)
class Row:
    """One line of the table: a layer in readable form."""

    kind: str
    label: str
    shape: str
    params: int
    macs: int
    reads: tuple[int, ...]


def table_rows(architecture: Architecture, spec: TaskSpec, complete: bool = True) -> list[Row]:
    """Return the input and every layer, and the classifier if the network is complete.

    For a table whose networks cannot be built, the rows are the decisions.
    """
    if spec.modality == "table":
        return [
            Row(layer.kind, layer_type(layer).label(layer), "", 0, 0, (i - 1,) if i else ())
            for i, layer in enumerate(architecture.layers)
        ]
    placed = list(place(architecture, spec))
    rows = [Row("input", "input", _shape(spec.input_shape), 0, 0, ())]
    rows += [_row(x) for x in placed[:-1]]
    if complete:
        head = _row(placed[-1])
        kind = "classifier" if spec.problem == "classification" else "regressor"
        label = f"{kind} {spec.num_outputs}"
        rows.append(Row("classifier", label, head.shape, head.params, head.macs, head.reads))
    return rows


def training_text(settings: Mapping[str, Scalar]) -> str:
    """Return settings of a recipe as readable text, "" if there are none."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items())


def text_table(
    architecture: Architecture,
    spec: TaskSpec,
    complete: bool = True,
    training: Mapping[str, Scalar] | None = None,
) -> str:
    """Return the layers as lines of text with output shape, parameters and MACs.

    Args:
        architecture: The layers.
        spec: The task.
        complete: Whether to add the classifier.
        training: Decided settings of the recipe, shown in the first line.
    """
    rows = table_rows(architecture, spec, complete)
    if spec.modality == "table":
        return "\n".join(["decision", *(row.label for row in rows)])
    width = max(26, *(len(row.label) for row in rows))
    lines = [training_text(training)] if training else []
    lines += [f"{'layer':<{width}}  {'output':>10}  {'params':>10}  {'MACs':>12}"]
    for row in rows:
        lines.append(f"{row.label:<{width}}  {row.shape:>10}  {row.params:>10,}  {row.macs:>12,}")
    params, macs = sum(row.params for row in rows), sum(row.macs for row in rows)
    end = "total" if complete else "so far"
    lines.append(f"{end:<{width}}  {'':>10}  {params:>10,}  {macs:>12,}")
    return "\n".join(lines)


def draw(
    architecture: Architecture,
    spec: TaskSpec,
    title: str = "",
    complete: bool = True,
    training: Mapping[str, Scalar] | None = None,
) -> Figure:
    """Return a drawing of the layers from top to bottom, with arrows from their inputs.

    Args:
        architecture: The layers.
        spec: The task.
        title: Title of the drawing.
        complete: Whether to add the classifier.
        training: Settings of the recipe, shown under the title.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    require("Drawings need", "agents", "matplotlib")
    from matplotlib.figure import Figure

    sheet = lay_out(architecture, spec, title, complete, training)
    figure = Figure(figsize=(sheet.width / DPI, sheet.height / DPI), dpi=DPI)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, sheet.width)
    axes.set_ylim(sheet.height, 0)
    axes.axis("off")
    for number, line in enumerate(sheet.lines):
        style: dict[str, Any] = {"color": FAINT} if number else {"color": INK, "weight": "bold"}
        size = POINTS * (SMALL if number else SIZE + 1)
        axes.text(MARGIN, MARGIN + LINE_HEIGHT * number + 10, line, fontsize=size, **style)
    for panel, left in sheet.panels:
        _draw_panel(axes, panel, left, sheet.top)
    return figure


def save_drawing(figure: Figure, stem: Path) -> list[Path]:
    """Write a drawing as `stem`.svg and `stem`.png and return both paths."""
    paths = [stem.with_suffix(".svg"), stem.with_suffix(".png")]
    for path in paths:
        figure.savefig(path, dpi=150)
    return paths


def rgb_array(figure: Figure) -> NDArray[np.uint8]:
    """Return a drawing as a uint8 array (height, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)  # its methods have no type hints
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _row(x: PlacedLayer) -> Row:
    label, cost = layer_type(x.layer).label(x.layer), x.cost
    return Row(x.layer.kind, label, _shape(cost.output), cost.params, cost.macs, x.reads)


def _shape(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _draw_panel(axes: Any, panel: Arranged, left: float, top: float) -> None:
    if panel.title:
        middle = left + panel.width / 2
        style: dict[str, Any] = {"ha": "center", "color": FAINT, "style": "italic"}
        axes.text(middle, top - 11, panel.title, fontsize=POINTS * SIZE, **style)
    for arrow in panel.arrows:
        _draw_arrow(axes, [(x + left, y + top) for x, y in arrow])
    for box in panel.boxes:
        _draw_box(axes, box, box.x + left, box.y + top)


def _draw_box(axes: Any, box: Box, x: float, y: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    node, top = box.node, y - box.height / 2
    bend = box.height / 2 if node.label == "+" else 7.0
    corner = x - box.width / 2, top
    shape = f"round,pad=0,rounding_size={bend}"
    colours: dict[str, Any] = {
        "facecolor": FILLS[node.kind],
        "edgecolor": LINE,
        "linewidth": POINTS,
    }
    axes.add_patch(FancyBboxPatch(corner, box.width, box.height, boxstyle=shape, **colours))
    middle = {"ha": "center", "va": "center"}
    first = y if not node.detail and len(node.lines) == 1 else top + 14.5
    for number, line in enumerate(node.lines):
        size = POINTS * SIZE
        axes.text(x, first + 18.0 * number, line, fontsize=size, color=INK, **middle)
    under = top + 13 + 18.0 * len(node.lines)
    axes.text(x, under, node.detail, fontsize=POINTS * SMALL, color=FAINT, **middle)


def _draw_arrow(axes: Any, points: Sequence[Point]) -> None:
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path as Curve

    corners, codes = [points[0]], [Curve.MOVETO]
    for piece in segments(points):
        corners += piece
        codes += [Curve.LINETO] if len(piece) == 1 else [Curve.CURVE4] * 3
    line = Curve(corners, codes)
    axes.add_patch(PathPatch(line, facecolor="none", edgecolor=LINE, linewidth=1.3 * POINTS))
    x, y = points[-1]
    head = [(x - 3.5, y - HEAD - 2), (x + 3.5, y - HEAD - 2), (x, y)]
    axes.add_patch(Polygon(head, closed=True, color=LINE, linewidth=0))
