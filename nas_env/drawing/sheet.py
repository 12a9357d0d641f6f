"""A whole drawing: its heading, and its panels next to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nas_env.architecture import Architecture, Scalar
from nas_env.drawing.graphs import panels
from nas_env.drawing.layout import SIZE, Arranged, arrange, text_width
from nas_env.tasks.base import TaskSpec

MARGIN, BETWEEN, TITLE, LINE_HEIGHT = 16.0, 48.0, 24.0, 20.0
BOLD = 1.17  # width of the bold title relative to plain letters, in the widest common font
FILLS = {  # light enough for black text, and distinguishable with red-green colour blindness
    "input": "#eceff1",
    "convolution": "#cfe3f5",
    "pooling": "#fbdcb5",
    "linear": "#cdebd6",
    "cell": "#dcd6f2",
    "merge": "#ffffff",
    "other": "#f6efc6",
    "head": "#f3cdd6",
}
INK, FAINT, LINE = "#16202a", "#45525e", "#5b6873"


@dataclass(frozen=True)
class Sheet:
    """A drawing with positions: lines of text, and each panel with its left edge.

    Attributes:
        lines: The title and the settings of the recipe.
        panels: The panels with their left edges.
        top: Top edge of the panels.
        width: Total width.
        height: Total height.
    """

    lines: list[str]
    panels: list[tuple[Arranged, float]]
    top: float
    width: float
    height: float


def lay_out(
    architecture: Architecture,
    spec: TaskSpec,
    title: str = "",
    complete: bool = True,
    training: Mapping[str, Scalar] | None = None,
) -> Sheet:
    """Return the layout of the drawing of a network; see `nas_env.drawing.draw_svg`."""
    arranged = [arrange(panel) for panel in panels(architecture, spec, complete)]
    settings = (f"{key.replace('_', ' ')} {value}" for key, value in (training or {}).items())
    lines = [x for x in (title, ", ".join(settings)) if x]
    titled = any(panel.title for panel in arranged)
    top = MARGIN + LINE_HEIGHT * len(lines) + (TITLE if titled else 0.0)
    placed, left = [], MARGIN
    for panel in arranged:
        placed.append((panel, left))
        left += panel.width + BETWEEN
    heading = max((text_width(x, BOLD * (SIZE + 1)) + MARGIN for x in lines), default=0.0)
    width = max(left - BETWEEN, heading)
    height = top + max(panel.height for panel in arranged)
    return Sheet(lines, placed, top, width + MARGIN, height + MARGIN)
