"""Scores in each phase of exploration: the mean and the middle half."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas_env.markup import Content, Markup
from nas_env_cli.report.data import SearchData
from nas_env_cli.report.frame import (
    Series,
    X,
    Y,
    area,
    axes,
    card,
    label,
    legend,
    line,
    mark,
    picture,
)
from nas_env_cli.report.scales import Scale, linear


def phases(name: str, series: Series, search: SearchData, reference: SearchData | None) -> Markup:
    """Return the chart of a search, with the mean of random search as a line."""
    scores = [trial["score"] for trial in search["trials"]]
    parts = [np.array(scores[x["first"] : x["end"]]) for x in search["phases"]]
    boxes = [np.quantile(part, (0.25, 0.75)).tolist() for part in parts]
    means = [float(part.mean()) for part in parts]
    reference_scores = [] if reference is None else [x["score"] for x in reference["trials"]]
    random = float(np.mean(reference_scores)) if reference_scores else None
    y = linear([*np.ravel(boxes), *means, *([] if random is None else [random])], *Y)
    x = Scale(0.0, float(len(parts)), *X)
    content: list[Content] = [_without_numbers(axes(x, y, _axis(search), "score"))]
    if random is not None:
        content.append(line(X[0], y(random), X[1], y(random), "line ref"))
    wide = (X[1] - X[0]) / len(parts)
    every = -(-len(parts) * 46 // int(X[1] - X[0]))
    for number, (phase, box, mean, part) in enumerate(
        zip(search["phases"], boxes, means, parts, strict=True)
    ):
        tip = (
            f"{phase['name']}\nmean {mean:.4f}\nmiddle half {box[0]:.4f} to {box[1]:.4f}\n"
            f"{len(part)} networks"
        )
        content.append(_phase(x(number + 0.5), min(26.0, wide * 0.6), y, box, mean, series, tip))
        if number % every == 0:
            content.append(label(x(number + 0.5), Y[0] + 18, phase["name"]))
    about = "Bar: the middle half of the networks, repeats included; mark: their mean."
    about += "" if random is None else " Dashed: the mean of random search."
    others = [] if random is None else [Series("random search, mean", 0, reference=True)]
    title = f"Score by phase of exploration: {series.name}"
    return card(name, title, picture(title, about, content), about, legend([series, *others]))


def _axis(search: SearchData) -> str:
    by_epsilon = any(x["name"].startswith("\u03b5") for x in search["phases"])
    return "probability of a random decision" if by_epsilon else "part of the search"


def _phase(
    x: float, wide: float, y: Scale, box: Sequence[float], mean: float, series: Series, tip: str
) -> Markup:
    low, high = y(box[0]), y(box[1])
    bar = area(x - wide / 2, high, wide, max(1.5, low - high))
    range_ = mark("rect", tip, class_=f"bar soft {series.style}", rx=2, **bar)
    middle = line(x - wide / 2, y(mean), x + wide / 2, y(mean), f"mean {series.style}")
    return Markup(range_ + middle)


def _without_numbers(parts: Sequence[Markup]) -> list[Markup]:
    """Return axes without the numbers and ticks of the x-axis."""
    below = f'y="{Y[0] + 18:g}"'
    return [x for x in parts if below not in x and f'y2="{Y[0] + 5:g}"' not in x]
