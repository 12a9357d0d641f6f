"""A finished or partial network as a table (text) and as a drawing (matplotlib)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Architecture, Scalar, Shape
from nas_env.errors import MissingDependencyError
from nas_env.layers import layer_type
from nas_env.network import PlacedLayer, place
from nas_env.tasks.base import TaskSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {
    "input": "#e8e8e8",
    "conv": "#8fb8de",
    "mb-conv": "#8fb8de",
    "residual-block": "#8fb8de",
    "nasbench201-cell": "#c5dcf0",
    "nasnet-cell": "#c5dcf0",
    "nsc-block": "#c5dcf0",
    "max-pool": "#f2b880",
    "local-average-pool": "#f2b880",
    "local-max-pool": "#f2b880",
    "global-average-pool": "#f2b880",
    "linear": "#a8d5a2",
    "dropout": "#d9c8e8",
    "classifier": "#e39695",
}
OTHER_COLOUR = "#f5e6a3"
REACH = 1.9  # rows times bend of an arrow that just stays inside


@dataclass(frozen=True)
class Row:
    """One line of the table: a layer as a reader wants to see it."""

    kind: str
    label: str
    shape: str
    params: int
    macs: int
    reads: tuple[int, ...]


def table_rows(architecture: Architecture, spec: TaskSpec, complete: bool = True) -> list[Row]:
    """Return the input and every layer, and the classifier where the network is complete.

    Of a table whose networks cannot be built, only the decisions are known.
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
    """Return settings of a recipe as a reader wants to see them; "" where there are none."""
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
        complete: Whether the classifier follows.
        training: What was decided of the recipe, for a first line.
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
    """Return a drawing of the layers from top to bottom, with arrows where they read.

    Args:
        architecture: The layers.
        spec: The task.
        title: Text above.
        complete: Whether the classifier follows.
        training: Settings of the recipe, for a line under the title.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError(
            "Drawing needs matplotlib, which is not installed. Run, in the checkout: pip install "
            "-c constraints.txt -e '.[draw]'."
        ) from None

    rows = table_rows(architecture, spec, complete)
    figure = Figure(figsize=(4.8, 0.6 * len(rows) + 0.7), dpi=100)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, 1)
    axes.set_ylim(len(rows) + 0.1, -0.9)
    axes.axis("off")
    axes.text(0.5, -0.6, title, ha="center", va="center", fontsize=10, weight="bold")
    under = training_text(training or {})
    axes.text(0.5, -0.37, under, ha="center", va="center", fontsize=7, wrap=True)
    for index, row in enumerate(rows):
        _draw_row(axes, index, row)
        for node in row.reads:
            _draw_arrow(axes, node, index)
    return figure


def save_drawing(figure: Figure, stem: Path) -> list[Path]:
    """Write a drawing as `stem`.svg and `stem`.png and return both paths."""
    paths = [stem.with_suffix(".svg"), stem.with_suffix(".png")]
    for path in paths:
        figure.savefig(path, dpi=150)
    return paths


def rgb_array(figure: Figure) -> NDArray[np.uint8]:
    """Return a drawing as (height, width, 3) uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)  # its methods carry no types
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _row(x: PlacedLayer) -> Row:
    label, cost = layer_type(x.layer).label(x.layer), x.cost
    return Row(x.layer.kind, label, _shape(cost.output), cost.params, cost.macs, x.reads)


def _shape(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _draw_row(axes: Any, index: int, row: Row) -> None:
    from matplotlib.patches import FancyBboxPatch

    box = FancyBboxPatch(
        (0.14, index - 0.24),
        0.72,
        0.48,
        boxstyle="round,pad=0,rounding_size=0.06",
        mutation_aspect=4,
        facecolor=COLOURS.get(row.kind, OTHER_COLOUR),
        edgecolor="#444444",
        linewidth=0.8,
    )
    axes.add_patch(box)
    axes.text(0.17, index, row.label, ha="left", va="center", fontsize=9)
    size = f"{row.shape}" + (f"   {row.params:,} p" if row.params else "")
    axes.text(0.84, index, size, ha="right", va="center", fontsize=8, color="#333333")


def _draw_arrow(axes: Any, start: int, end: int) -> None:
    straight = end == start + 1
    bow = min(0.5, REACH / (end - start))  # a long way round bends less, to stay in the picture
    axes.annotate(
        "",
        xy=(0.5 if straight else 0.86, end - (0.24 if straight else 0.0)),
        xytext=(0.5 if straight else 0.86, start + (0.24 if straight else 0.0)),
        arrowprops={
            "arrowstyle": "-|>",
            "color": "#444444",
            "linewidth": 0.9,
            "shrinkA": 0,
            "shrinkB": 0,
            "connectionstyle": "arc3" if straight else f"arc3,rad={-bow}",
        },
    )
